"""The ticket service for the length of a verb's call."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from fairlead.tickets.service import TicketService
    from fairlead.verbs.context import Context


class Opened:
    """``with Opened(context) as service``: found from the working folder, closed at the end."""

    __slots__ = ("_context", "_service")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._service: TicketService | None = None

    def __enter__(self) -> TicketService:
        from fairlead.tickets.opening import open_service

        self._service = open_service(self._context)
        return self._service

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._service is not None:
            self._service.close()


def described(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with a description of ``-`` read from standard input."""
    if fields.get("description") == "-":
        import sys

        return {**fields, "description": sys.stdin.read().rstrip("\n")}
    return fields
