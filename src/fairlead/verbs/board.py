"""The verb `board`: the live terminal board."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.verbs.opened import Opened
from fairlead.verbs.table import Noun, Param, Verb

if TYPE_CHECKING:
    from fairlead.verbs.context import Context, Output


def board(
    context: Context,
    label: list[str] | None = None,
    assignee: str | None = None,
    epic: str | None = None,
    plain: bool = False,
    limit: int = 30,
) -> dict[str, Any]:
    """Opens the board on a terminal; elsewhere, or with ``plain``, answers with its columns."""
    import sys

    from fairlead.tickets.columns import columns_of

    with Opened(context) as service:
        filters: dict[str, Any] = {"label": label or ()}
        if assignee is not None:
            filters["assignee"] = service.author().name if assignee == "me" else assignee
        if epic is not None:
            filters["epic"] = service.resolve(epic, "epic")
        if plain or not context.interactive or not sys.stdout.isatty():
            return {"columns": columns_of(service, limit=limit, **filters)}
        try:
            from fairlead.tickets.terminal import TicketBoard
        except ModuleNotFoundError as exc:
            from fairlead.errors import MissingDependencyError

            raise MissingDependencyError(
                "the live board needs Textual.", remedy="Install fairlead[board], or use --plain.", package="textual"
            ) from exc
        TicketBoard(service, limit=limit, filters=filters).run()
        return {}


def print_board(value: dict[str, Any], out: Output) -> None:
    for column in value.get("columns", ()):
        out.line(f"{column['title']} ({column['count']})")
        for card in column["cards"]:
            who = f"  @{card['who']}" if card["who"] else ""
            out.line(f"  {card['id']:<10} {card['priority']:<9} {card['title']}{who}")
        if column["count"] > len(column["cards"]):
            out.line(f"  ... {column['count'] - len(column['cards'])} more")


_TOP = Noun("")
VERBS: tuple[Verb, ...] = (
    _TOP.reads(
        "board",
        "the live board of tickets in the terminal",
        board,
        Param("label", "str", "only tickets with all of these labels", many=True, aliases=("-l",)),
        Param("assignee", "str", "only tickets of this person, or `me`", aliases=("-a",)),
        Param("epic", "str", "only tickets of this epic"),
        Param("plain", "bool", "print it once as text"),
        Param("limit", "int", "cards a column", default=30, aliases=("-n",)),
        show=print_board,
        examples=("fairlead board", "fairlead board --assignee me --plain"),
    ),
)
