"""The gateway in force: which one the model calls of the running work go through, in a context variable.

Whoever opens a gateway says so around the work that is done with it; agents ask for it when they run, so none of them
has to be given one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.gateway.gateway import Gateway

_present: ContextVar[Callable[[], Gateway] | None] = ContextVar("fairlead_gateway", default=None)


@contextmanager
def use_gateway(find: Callable[[], Gateway]) -> Iterator[None]:
    """Puts a gateway in force for a block. ``find`` returns it, and is called at the first model call and no sooner."""
    token = _present.set(find)
    try:
        yield
    finally:
        _present.reset(token)


def present_gateway() -> Gateway | None:
    """The gateway in force; None where nobody has opened one."""
    find = _present.get()
    return None if find is None else find()
