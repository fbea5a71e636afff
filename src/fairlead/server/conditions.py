"""Conditional requests: entity tags of what is read, and changes only of what is as the caller has seen it.

RFC 9110, sections 8.8.3 and 13, and RFC 6585, section 3. The tag of a thing is that of the answer of the verb that
shows it. ``If-Match`` on a changing verb compares it first; between the comparison and the change nothing of this
process comes in between, and things of a board, which have revisions, are compared once more with the change itself.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from fairlead.errors import ConflictError, NotFoundError
from fairlead.server.access import IF_MATCH, Caller
from fairlead.server.problems import BadRequestError, ChangedError, UnconditionalError
from fairlead.verbs.table import Verb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_SHOWN_BY: Mapping[str, tuple[str, str]] = {
    "runs": ("runs.show", "run"),
    "ticket": ("ticket.show", "ids"),
    "requirement": ("ticket.show", "ids"),
    "time": ("ticket.show", "ids"),
    "epic": ("epic.show", "epic"),
    "backlog": ("backlog.show", "item"),
    "budget": ("budget.show", "budget"),
    "memory": ("memory.show", "id"),
}
"""Noun -> the verb that shows one thing of it, and the argument by which that is named."""
_NAMED_BY: Mapping[str, tuple[str, ...]] = {
    **{noun: (argument,) for noun, (_, argument) in _SHOWN_BY.items()},
    "ticket": ("id", "ids"),
    "requirement": ("ticket",),
    "time": ("ticket",),
}
_MAKING = frozenset({"ticket.create", "runs.fork"})
"""Verbs that name one thing and make another."""

_ONLY_MAKING = _MAKING | {"run", "agent.spawn", "epic.create", "backlog.add", "key.create", "model.ask"}
"""Verbs that leave everything that is there as it is."""

Read = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Answers a reading verb for the caller of the request."""


def can_be_conditional(verb: Verb) -> bool:
    """Whether a changing verb changes a thing that another one shows."""
    return (
        verb.changes and verb.name not in _MAKING and any(p.name in _NAMED_BY.get(verb.noun, ()) for p in verb.params)
    )


def reading_of(verb: Verb, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The verb that shows what a call would change, with its arguments; None when that is not one thing."""
    named = [given[name] for name in _NAMED_BY.get(verb.noun, ()) if given.get(name)]
    things = [thing for value in named for thing in (value if isinstance(value, list) else [value])]
    if not can_be_conditional(verb) or len(things) != 1:
        return None
    reading, argument = _SHOWN_BY[verb.noun]
    shown: dict[str, Any] = {argument: things if argument == "ids" else things[0]}
    if verb.noun == "memory" and given.get("name"):
        shown["name"] = given["name"]
    return reading, shown


def require_condition(caller: Caller, verb: Verb, given: Mapping[str, Any], *, compared: bool) -> None:
    """:class:`UnconditionalError` for a caller who may change things only as it has seen them, and does not say how.

    Changes that cannot be compared, as those of a whole batch, are refused to it likewise.
    """
    if IF_MATCH not in caller.scopes or not verb.changes or compared or given.get("if_match"):
        return
    if verb.name not in _ONLY_MAKING and not (verb.name == "memory.add" and not given.get("key")):
        raise UnconditionalError(
            f"this key may call {verb.name} only with If-Match.",
            remedy="Read the thing first and send its ETag as If-Match, with one change of one thing.",
            verb=verb.name,
        )


def tag_of(verb: str, value: Any, to_bytes: Callable[[Any], bytes]) -> str:
    """The entity tag of a verb's answer. How long a run has taken so far is measured, not kept, and not part of it."""
    if verb == "runs.show":
        value = _kept(value)
    elif verb == "runs.list":
        value = {**value, "items": [_kept(item) for item in value["items"]]}
    return f'"{hashlib.blake2b(to_bytes(value), digest_size=12).hexdigest()}"'


def _kept(run: Mapping[str, Any]) -> Mapping[str, Any]:
    return run if run["finished"] else {name: fact for name, fact in run.items() if name != "seconds"}


def tags_in(header: str) -> list[str]:
    """The tags of an ``If-Match`` or ``If-None-Match`` header, weak ones with their mark."""
    return [part.strip() for part in header.split(",") if part.strip()]


class Conditions:
    """Compares tags before changes, one change of a thing at a time."""

    def __init__(self, to_bytes: Callable[[Any], bytes]) -> None:
        self._to_bytes = to_bytes
        self._locks: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def met(
        self, caller: Caller, verb: Verb, given: Mapping[str, Any], header: str, read: Read
    ) -> AsyncIterator[dict[str, Any]]:
        """Holds what a call would change for the block; yields the arguments to call with.

        Raises :class:`ChangedError` when it is not what ``header`` names, :class:`BadRequestError` when the call does
        not change one thing that has a tag.
        """
        shown = reading_of(verb, given)
        if shown is None:
            raise BadRequestError(
                f"{verb.name} like this changes nothing that has one entity tag.", remedy="Leave If-Match out."
            )
        reading, arguments = shown
        place = (str(caller.tenant), reading, str(next(iter(arguments.values()))))
        async with self._locks.setdefault(place, asyncio.Lock()):
            try:
                value = await read(reading, arguments)
            except NotFoundError:
                raise _changed(verb) from None
            # Weak tags never match here: they say that two answers mean the same, not that they are the same.
            if header.strip() != "*" and tag_of(reading, value, self._to_bytes) not in tags_in(header):
                raise _changed(verb)
            revised = any(p.name == "if_match" for p in verb.params) and "revision" in value
            try:
                yield {**given, "if_match": value["revision"]} if revised and "if_match" not in given else dict(given)
            except ConflictError:
                if revised:
                    raise _changed(verb) from None
                raise


def _changed(verb: Verb) -> ChangedError:
    return ChangedError(
        f"what {verb.name} would change is not as it was when its entity tag was given.",
        remedy="Read it again, and decide again.",
        verb=verb.name,
    )
