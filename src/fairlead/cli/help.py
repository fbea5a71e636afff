"""Help texts, made from the table of verbs."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.cli.parse import GLOBALS, top_verbs, usage
from fairlead.verbs import NOUNS, load
from fairlead.verbs.table import Param, Verb


def help_top() -> str:
    """The page of ``fairlead --help``."""
    lines = [
        "fairlead: runs a fleet of AI agents as a dependable system",
        "",
        "usage: fairlead COMMAND [ARGUMENTS] [--json]",
        "",
        "commands",
        *_columns((v.verb, v.summary) for v in top_verbs()),
        "",
        "groups (fairlead GROUP --help)",
        *_columns((noun, summary) for noun, summary in NOUNS.items()),
        "",
        "options everywhere",
        *_columns(_option(p) for p in GLOBALS),
    ]
    return "\n".join(lines)


def help_noun(noun: str) -> str:
    lines = [f"fairlead {noun}: {NOUNS[noun]}", "", *_columns((v.verb, v.summary) for v in load(noun))]
    return "\n".join(lines)


def help_verb(verb: Verb) -> str:
    lines = [f"fairlead {verb.words}: {verb.summary}", "", f"usage: {usage(verb)}"]
    if verb.description:
        lines += ["", verb.description]
    positional = [(p.name.upper(), p.help) for p in verb.params if p.positional]
    flags = [_option(p) for p in verb.params if not p.positional]
    if positional:
        lines += ["", "arguments", *_columns(positional)]
    if flags:
        lines += ["", "options", *_columns(flags)]
    if verb.examples:
        lines += ["", "examples", *(f"  {e}" for e in verb.examples)]
    return "\n".join(lines)


def _option(param: Param) -> tuple[str, str]:
    word = param.flag if param.kind == "bool" else f"{param.flag} {param.name.upper()}"
    notes = []
    if param.choices:
        notes.append("one of " + ", ".join(param.choices))
    if param.default not in (None, False):
        notes.append(f"default {param.default}")
    return word, param.help + (f" ({'; '.join(notes)})" if notes else "")


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    table = list(rows)
    width = max((len(left) for left, _ in table), default=0)
    return [f"  {left:<{width}}  {right}".rstrip() for left, right in table]
