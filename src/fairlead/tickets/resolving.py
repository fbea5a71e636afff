"""Which thing an abbreviated identifier stands for."""

from __future__ import annotations

from fairlead.errors import InvalidInputError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def pick(text: str, found: Sequence[tuple[str, str, str, int]], kind: str | None = None) -> str:
    """The one thing that a beginning of an identifier stands for."""
    if len(found) == 1:
        return found[0][0]
    if not found:
        raise missing(text, kind)
    names = ", ".join(f"{row[0]} ({row[2][:40]})" for row in found[:5])
    raise InvalidInputError(
        f"{text!r} is the beginning of several: {names}.", remedy="Give more of it.", field="id", value=text
    )


def missing(text: str, kind: str | None = None) -> NotFoundError:
    return NotFoundError(
        f"there is no {f'{kind} ' if kind else ''}{text!r} on this board.",
        remedy=f"See `fairlead {kind or 'ticket'} list --all`.",
        id=text,
    )
