"""Hooks: functions called before, after and on failure of sessions, runs, steps, tools and models.

A ``pre`` hook may refuse the action by returning :class:`Veto`, or change what it gets by returning
:class:`Rewrite`; a ``post`` hook may change the result with :class:`Rewrite`. A hook that raises is isolated and
counted; the action goes on, unless the hook was added with ``required=True``.
"""

from __future__ import annotations

import fnmatch
import inspect
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from fairlead.errors import ForbiddenError, InvalidInputError

_log = logging.getLogger(__name__)

POINTS = tuple(
    f"{what}.{when}" for what in ("session", "run", "step", "tool", "model") for when in ("pre", "post", "error")
)
"""Where hooks may be placed."""


class Moment(NamedTuple):
    """What a hook is told. ``value``: the arguments at ``pre``, the result at ``post``, the error at ``error``."""

    point: str
    name: str
    run_id: str
    tenant: str
    value: Any


class Veto(NamedTuple):
    """Refuses the action, for a reason that its caller reads."""

    reason: str


class Rewrite(NamedTuple):
    """Goes on with another value."""

    value: Any


class _Hook(NamedTuple):
    call: Callable[[Moment], Any]
    match: str
    required: bool


class Hooks:
    """The hooks of one runtime. ``version`` moves whenever they change."""

    def __init__(self) -> None:
        self._by_point: dict[str, tuple[_Hook, ...]] = {}
        self.version = 0
        self.failures: Counter[str] = Counter()

    def add(
        self, point: str, call: Callable[[Moment], Any], *, match: str = "*", required: bool = False
    ) -> Callable[[], None]:
        """Places a function (plain or async) at ``point`` for names matching ``match``; returns what removes it."""
        if point not in POINTS:
            raise InvalidInputError(
                f"there is no hook point {point!r}.", remedy=f"Points are: {', '.join(POINTS)}.", field="point"
            )
        hook = _Hook(call, match, required)
        self._by_point[point] = (*self._by_point.get(point, ()), hook)
        self.version += 1

        def remove() -> None:
            self._by_point[point] = tuple(h for h in self._by_point.get(point, ()) if h is not hook)
            self.version += 1

        return remove

    def placed(self, what: str) -> bool:
        """Whether any hook is placed for ``what`` (``step``, ``tool`` ...)."""
        return any(self._by_point.get(f"{what}.{when}") for when in ("pre", "post", "error"))

    async def fire(self, moment: Moment) -> Any:
        """Calls the hooks of a point in order and returns the value to go on with.

        Raises :class:`ForbiddenError` with the reason when one vetoes.
        """
        value = moment.value
        for hook in self._by_point.get(moment.point, ()):
            if not fnmatch.fnmatchcase(moment.name, hook.match):
                continue
            answer = await self._call(hook, moment._replace(value=value))
            if isinstance(answer, Veto):
                raise ForbiddenError(
                    f"a hook refused {moment.point.partition('.')[0]} {moment.name!r}: {answer.reason}",
                    hook=_name(hook.call),
                    reason=answer.reason,
                )
            if isinstance(answer, Rewrite):
                value = answer.value
        return value

    async def _call(self, hook: _Hook, moment: Moment) -> Any:
        try:
            answer = hook.call(moment)
            return await answer if inspect.isawaitable(answer) else answer
        except Exception:
            name = _name(hook.call)
            self.failures[name] += 1
            if hook.required:
                raise
            _log.exception("hook %s failed at %s %s", name, moment.point, moment.name)
            return None


def _name(call: Callable[..., Any]) -> str:
    return getattr(call, "__qualname__", None) or repr(call)
