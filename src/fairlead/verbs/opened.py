"""The ticket service for the length of a verb's call."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from fairlead.tickets.service import TicketService
    from fairlead.verbs.context import Context, Output


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


def put(
    service: TicketService,
    kind: str,
    thing_id: str | None,
    fields: dict[str, Any],
    texts: dict[str, list[str] | None],
    *,
    label: list[str] | None = None,
    remove_label: list[str] | None = None,
    if_match: str | None = None,
) -> Any:
    """Makes a thing, or changes the one that is named. ``texts`` are further entries by kind; fields of None say
    nothing."""
    from fairlead.tickets.planning import in_order
    from fairlead.tickets.port import EntryDraft
    from fairlead.verbs.ticket_read import split

    values = {name: value for name, value in described(fields).items() if value is not None}
    drafts = [EntryDraft(name, {"text": text}) for name, many in texts.items() for text in many or ()]
    entries = in_order(drafts, service.clock.now())
    add = {"labels": split(label)} if label else {}
    if thing_id is None:
        return service.create(kind, values, add=add, entries=entries)
    remove = {"labels": split(remove_label)} if remove_label else {}
    return service.update(thing_id, values, add=add, remove=remove, entries=entries, if_match=if_match)


def with_status(kind: str, status: list[str] | None, finished: bool) -> dict[str, Any]:
    """The filter for states in any spelling; without any only what is unfinished, unless ``finished`` things count."""
    from fairlead.tickets.fields import read_status
    from fairlead.verbs.ticket_read import split

    if status:
        return {"status": [read_status(word, kind) for word in split(status)]}
    return {} if finished else {"finished": False}


def deleted(context: Context, kind: str, text: str) -> dict[str, Any]:
    """Deletes a thing of a kind."""
    with Opened(context) as service:
        return {"id": service.delete(service.resolve(text, kind)).id, "deleted": True}


def print_deleted(value: dict[str, Any], out: Output) -> None:
    out.line(f"deleted {value['id']}; `fairlead ticket restore {value['id']}` brings it back")


def described(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with a description of ``-`` read from standard input."""
    if fields.get("description") == "-":
        import sys

        return {**fields, "description": sys.stdin.read().rstrip("\n")}
    return fields
