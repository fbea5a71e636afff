"""Named tuples in the syntax of ``typing.NamedTuple``, without importing ``typing``: that import takes a short command
longer than what it came to do.

    TYPE_CHECKING = False
    if TYPE_CHECKING:
        from typing import NamedTuple
    else:
        from fairlead.records import NamedTuple
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Maker(type):
    """Turns a class statement over :class:`NamedTuple` into a named tuple of its annotations."""

    def __new__(mcs, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> Any:
        if not bases:
            return super().__new__(mcs, name, bases, members)
        fields = members.get("__annotations__", {})
        defaults = [members[field] for field in fields if field in members]
        made: Any = namedtuple(name, list(fields), defaults=defaults, module=members["__module__"])  # type: ignore[misc] # its fields are known at run time
        made.__annotations__ = dict(fields)
        for member, value in members.items():
            if member not in fields and member not in ("__module__", "__qualname__", "__annotations__"):
                setattr(made, member, value)
        return made


class NamedTuple(metaclass=_Maker):
    """The base of a class statement."""
