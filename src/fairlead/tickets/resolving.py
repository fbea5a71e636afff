"""Which thing an abbreviated identifier stands for."""

from __future__ import annotations

from fairlead.errors import InvalidInputError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def pick(text: str, found: Sequence[tuple[str, str, str, int]]) -> str:
    """The one thing that a beginning of an identifier stands for."""
    if len(found) == 1:
        return found[0][0]
    if not found:
        raise missing(text)
    names = ", ".join(f"{row[0]} ({row[2][:40]})" for row in found[:5])
    raise InvalidInputError(
        f"{text!r} is the beginning of several: {names}.", remedy="Give more of it.", field="id", value=text
    )


def missing(text: str) -> NotFoundError:
    return NotFoundError(f"there is no {text!r} on this board.", remedy="See `fairlead ticket list --all`.", id=text)
