"""What of the table of verbs is offered to callers elsewhere, and the checking of their arguments.

Default deny: a verb that needs a path of this machine, runs a program, or ends the place where the server works is not
offered, and arguments that name paths or programs are left out of those that are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fairlead.errors import InvalidInputError
from fairlead.verbs import every_verb
from fairlead.verbs.table import Param, Verb

LOCAL_ONLY: Mapping[str, str] = {
    "work": "runs programs for tickets",
    "ticket.init": "makes a board in a folder of the machine",
    "ticket.hooks": "installs programs",
    "ticket.migrate": "rewrites the files of a board",
    "ticket.doctor": "rewrites the files of a board",
    "ticket.report": "writes a file of the machine",
    "runs.watch": "goes on; its events are streamed by /api/runs/{id}/events",
    "jobs.run": "goes on; a server carries out jobs by itself",
    "watch.run": "goes on; a server looks by itself",
    "jobs.watch": "goes on; its events are streamed by /api/events",
    "doctor": "tells of the machine and of all its tenants; of the server tells /health/detailed",
    "publish.discord": "sends from this machine to an address that holds a password",
    "model.test": "measures this machine's way to a provider",
}
"""Verbs that are not offered though no required argument is a path, and why."""

_LEFT_OUT: Mapping[str, frozenset[str]] = {
    "events": frozenset({"follow"}),
    "ticket.events": frozenset({"follow"}),
    "ticket.close": frozenset({"command"}),
    "run": frozenset({"set", "focus"}),
    "runs.fork": frozenset({"set"}),
    "ingest": frozenset({"wait", "progress", "processes"}),
}
_ADDED: Mapping[str, tuple[Param, ...]] = {
    "run": (Param("inputs", "json", "inputs of the workflow or agent, by name"),),
    "runs.fork": (Param("values", "json", "other results of steps, by step"),),
    "ingest": (
        Param("urls", "str", "addresses to take in", many=True),
        Param("uploads", "str", "files that were uploaded, as the upload's answer names them", many=True),
        Param("text", "str", "a text to take in"),
        Param("title", "str", "title of the one thing that is given"),
    ),
    "runs.list": (Param("cursor", "str", "`next` of the page before"),),
}
_LIMITS = frozenset({"limit", "k", "offset", "depth", "hours", "max_tokens"})
_MOST_TEXT = 1_000_000
_MOST_NUMBER = 2**53


def offered() -> dict[str, Verb]:
    """The verbs that callers may be granted, by name, with the arguments that they may give."""
    return {verb.name: _remote(verb) for verb in every_verb() if why_not(verb) is None}


def why_not(verb: Verb) -> str | None:
    """Why a verb is not offered; None when it is."""
    if verb.name in LOCAL_ONLY:
        return LOCAL_ONLY[verb.name]
    if verb.name in _ADDED:
        # What stands for its paths is given in other arguments.
        return None
    paths = [p.name for p in verb.params if p.required and p.kind == "path"]
    return f"needs {paths[0]}, a path of the machine" if paths else None


def _remote(verb: Verb) -> Verb:
    left_out = _LEFT_OUT.get(verb.name, frozenset()) | {"cause"}
    kept = tuple(p for p in verb.params if p.kind != "path" and p.name not in left_out)
    return Verb(
        verb.noun,
        verb.verb,
        verb.summary,
        verb.call,
        params=(*kept, *_ADDED.get(verb.name, ())),
        description=verb.description,
        role=verb.role,
        changes=verb.changes,
    )


def checked(verb: Verb, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments when they fit the verb, else :class:`InvalidInputError` with the field and the value."""
    params = {p.name: p for p in verb.params}
    for name in given:
        if name not in params:
            raise InvalidInputError(
                f"{verb.name} has no argument {name[:100]!r}.",
                remedy=f"It has: {', '.join(params) or 'none'}.",
                field=name[:100],
            )
    for param in verb.params:
        if param.required and given.get(param.name) in (None, []):
            raise InvalidInputError(f"{verb.name} needs {param.name}.", remedy=param.help, field=param.name)
    return {name: _value(params[name], value) for name, value in given.items() if value is not None}


def _value(param: Param, value: Any) -> Any:
    if not param.many:
        return _one(param, value)
    if not isinstance(value, list) or len(value) > 1000:
        raise _refused(param, value, "must be a list of at most 1,000")
    return [_one(param, item) for item in value]


def _one(param: Param, value: Any) -> Any:
    if param.kind == "json":
        check_text(param.name, value)
        return value
    kinds: Mapping[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
    if not isinstance(value, kinds[param.kind]) or (isinstance(value, bool) and param.kind != "bool"):
        raise _refused(param, value, f"must be of type {param.kind}")
    if isinstance(value, (int, float)):
        bounds = (0 if param.name == "offset" else 1, 100_000)
        least, most = bounds if param.name in _LIMITS else (-_MOST_NUMBER, _MOST_NUMBER)
        if not (math.isfinite(value) and least <= value <= most):
            raise _refused(param, value, "is out of range")
    check_text(param.name, value)
    if isinstance(value, str) and value == "-":
        raise _refused(param, value, "stands for standard input, which a server does not read for callers")
    if param.choices and value not in param.choices:
        raise _refused(param, value, f"must be one of {', '.join(param.choices)}")
    return value


def check_text(field: str, value: Any, depth: int = 0) -> None:
    """Refuses what cannot be stored as text (NUL, lone surrogates), is too long, or is nested too deep."""
    if isinstance(value, str):
        if len(value) > _MOST_TEXT or "\x00" in value or not _is_unicode(value):
            raise InvalidInputError(
                f"{field} is not usable text.",
                remedy=f"Give at most {_MOST_TEXT:,} characters, without NUL and lone surrogates.",
                field=field,
            )
    elif isinstance(value, (dict, list)):
        if depth > 50:
            raise InvalidInputError(f"{field} is nested too deep.", remedy="50 levels are accepted.", field=field)
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            check_text(field, item, depth + 1)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def from_query(verb: Verb, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Arguments from a query string, converted to the kinds that the verb declares."""
    params = {p.name: p for p in verb.params}
    given: dict[str, Any] = {}
    for name, raw in pairs:
        param = params.get(name)
        value = raw if param is None else _converted(param, raw)
        if param is not None and param.many:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise InvalidInputError(f"{name[:100]} is given twice.", remedy="Give it once.", field=name[:100])
        else:
            given[name] = value
    return given


def _converted(param: Param, raw: str) -> Any:
    try:
        if param.kind == "int":
            return int(raw) if len(raw) < 20 else raw
        if param.kind == "float":
            return float(raw)
        if param.kind == "bool":
            return {"true": True, "1": True, "false": False, "0": False}[raw.lower()]
        if param.kind == "json":
            import orjson

            return orjson.loads(raw)
    except (ValueError, KeyError):
        raise _refused(param, raw, f"must be of type {param.kind}") from None
    return raw


def _refused(param: Param, value: Any, why: str) -> InvalidInputError:
    shown = repr(value)[:100].encode("utf-8", "backslashreplace").decode()
    return InvalidInputError(f"{param.name} is {shown}, but it {why}.", remedy=param.help, field=param.name)
