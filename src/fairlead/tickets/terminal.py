"""The live board in a terminal, with Textual (the extra ``board``).

It looks at the board once a second, so what other processes and working trees do is seen; everything that a key does
goes through the same service as the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, ListItem, ListView, Markdown, Static

from fairlead.errors import FairleadError
from fairlead.tickets.columns import COLUMNS, columns_of

if TYPE_CHECKING:
    from fairlead.tickets.service import TicketService

_COLOURS = {"critical": "red", "high": "dark_orange", "medium": "dodger_blue1", "low": "grey58"}
_OWN_ACTIONS = frozenset(
    {"column", "claim", "status", "close_ticket", "comment", "create", "find", "refresh_now", "quit"}
)
REFRESH = 1.0
"""Seconds between two looks at the board."""


class Card(ListItem):
    """One ticket in a column."""

    def __init__(self, card: dict[str, Any]) -> None:
        self.card = card
        super().__init__(Static(_face(card)))


def _face(card: dict[str, Any]) -> Text:
    colour = _COLOURS.get(card["priority"], "grey58")
    face = Text(overflow="ellipsis")
    face.append("● ", style=colour)
    face.append(card["title"], style="bold" if card["priority"] == "critical" else "")
    face.append(f"\n  {card['id']}", style="dim")
    if card["who"]:
        face.append(f"  {'▶' if card['claimed'] else '@'}{card['who']}", style="green" if card["claimed"] else "cyan")
    for label in card["labels"][:3]:
        face.append(f"  #{label}", style="dim italic")
    if card["waiting_for"]:
        face.append(f"\n  waits for {', '.join(card['waiting_for'][:3])}", style="dark_orange")
    return face


class Column(Vertical):
    """A title with the count, and the cards below."""

    def __init__(self, key: str, title: str) -> None:
        super().__init__(id=f"column-{key}")
        self.key = key
        self.title = title

    def compose(self) -> ComposeResult:
        yield Static(self.title, classes="title")
        yield ListView()

    @property
    def cards(self) -> ListView:
        return self.query_one(ListView)

    async def show(self, column: dict[str, Any]) -> None:
        """Shows other cards; the highlighted ticket stays highlighted where it still is."""
        self.query_one(".title", Static).update(f"{self.title}  [dim]{column['count']}[/]")
        view = self.cards
        chosen = view.highlighted_child
        kept = chosen.card["id"] if isinstance(chosen, Card) else None
        await view.clear()
        await view.extend(Card(card) for card in column["cards"])
        if column["cards"]:
            ids = [card["id"] for card in column["cards"]]
            view.index = ids.index(kept) if kept in ids else 0


class Detail(ModalScreen[None]):
    """One ticket in full."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss_it", "close")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="detail"):
            yield Markdown(self._text)

    def action_dismiss_it(self) -> None:
        self.dismiss(None)


class Ask(ModalScreen[str | None]):
    """One line of input; escape gives None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]

    def __init__(self, question: str, value: str = "") -> None:
        super().__init__()
        self._question = question
        self._value = value

    def compose(self) -> ComposeResult:
        with Vertical(id="ask"):
            yield Static(self._question)
            yield Input(self._value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss(None)


class TicketBoard(App[None]):
    """The board. ``filters`` are those of the service's lists."""

    TITLE = "Tickets"
    CSS = """
    Screen { background: $surface; }
    Horizontal { height: 1fr; }
    Column { width: 1fr; border: round $panel; margin: 0 1 0 0; padding: 0 1; }
    Column:focus-within { border: round $accent; }
    .title { text-style: bold; padding: 0 0 1 0; }
    ListView { background: transparent; height: 1fr; }
    Card { padding: 0 1; margin: 0 0 1 0; background: transparent; height: auto; }
    Card.-highlight { background: $boost; }
    ListView:focus Card.-highlight { background: $accent 25%; color: $text; }
    #status { height: 1; padding: 0 1; color: $text-muted; }
    Detail, Ask { align: center middle; }
    #detail { width: 84%; height: 84%; border: round $accent; background: $panel; padding: 1 2; }
    #ask { width: 60%; height: auto; border: round $accent; background: $panel; padding: 1 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "column(-1)", "column", key_display="←→", priority=True),
        Binding("right,l", "column(1)", "column", show=False, priority=True),
        Binding("c", "claim", "claim"),
        Binding("s", "status('in-progress')", "start"),
        Binding("b", "status('blocked')", "block"),
        Binding("x", "close_ticket", "close"),
        Binding("o", "status('open')", "reopen"),
        Binding("m", "comment", "comment"),
        Binding("n", "create", "new"),
        Binding("slash", "find", "filter", key_display="/"),
        Binding("r", "refresh_now", "refresh", show=False),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, service: TicketService, *, limit: int = 30, filters: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.service = service
        self._limit = limit
        self._criteria = dict(filters or {})
        self._words = ""
        self._seen: list[dict[str, Any]] = []

    def compose(self) -> ComposeResult:
        with Horizontal():
            for key, title in COLUMNS:
                yield Column(key, title)
        yield Static(id="status")
        yield Footer()

    async def on_mount(self) -> None:
        await self.look()
        self._column(0).cards.focus()
        self.set_interval(REFRESH, self.look)

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────

    async def look(self) -> None:
        """Shows the board as it is now; nothing is touched where nothing changed."""
        try:
            columns = columns_of(self.service, limit=self._limit, **self._criteria)
        except FairleadError as exc:
            self.say(str(exc))
            return
        if self._words:
            words = self._words.lower().split()
            for column in columns:
                column["cards"] = [c for c in column["cards"] if all(w in _words(c) for w in words)]
                column["count"] = len(column["cards"])
        if columns != self._seen:
            self._seen = columns
            for number, column in enumerate(columns):
                await self._column(number).show(column)
        if self._words:
            self.say(f"filter: {self._words}   (/ and an empty line show all)")

    def say(self, text: str) -> None:
        self.query_one("#status", Static).update(Text(text))

    def _column(self, number: int) -> Column:
        return self.query_one(f"#column-{COLUMNS[number][0]}", Column)

    def _focused_column(self) -> int:
        for number in range(len(COLUMNS)):
            if self._column(number).has_focus_within:
                return number
        return 0

    @property
    def chosen(self) -> dict[str, Any] | None:
        """The highlighted card of the focused column."""
        card = self._column(self._focused_column()).cards.highlighted_child
        return card.card if isinstance(card, Card) else None

    # ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a question or a ticket is open, the board's own keys belong to it."""
        return not isinstance(self.screen, (Ask, Detail)) or action not in _OWN_ACTIONS

    def action_column(self, step: int) -> None:
        self._column((self._focused_column() + step) % len(COLUMNS)).cards.focus()

    def on_list_view_selected(self, event: ListView.Selected) -> None:
        if isinstance(event.item, Card):
            self.open_ticket(event.item.card["id"])

    def open_ticket(self, ticket_id: str) -> None:
        from fairlead.tickets.interchange.exchange import record_of
        from fairlead.tickets.interchange.markdown import render

        ticket: Any = self.service.get(ticket_id, "ticket")
        text = render([record_of(ticket)], ticket.title).split("### ", 1)[-1]
        self.push_screen(Detail("## " + text))

    async def action_status(self, status: str) -> None:
        await self._do(lambda card: self._change(card, {"status": status}, f"{card['id']} is {status}"))

    async def action_claim(self) -> None:
        from fairlead.tickets.claims import claim_these

        def claim(card: dict[str, Any]) -> str:
            claim_these(self.service, [card["id"]], self.service.author().name)
            return f"{card['id']} is yours for half an hour"

        await self._do(claim)

    async def action_close_ticket(self) -> None:
        card = self.chosen
        if card is not None:
            self.push_screen(Ask(f"Why is {card['id']} done?"), lambda why: self._finish(card, why))

    def _finish(self, card: dict[str, Any], why: str | None) -> None:
        if why is not None:
            self.call_later(
                self._do, lambda _: self._change(card, {"status": "closed"}, f"{card['id']} is closed", why)
            )

    async def action_comment(self) -> None:
        card = self.chosen
        if card is not None:
            self.push_screen(Ask(f"Comment on {card['id']}"), lambda text: self._commented(card, text))

    def _commented(self, card: dict[str, Any], text: str | None) -> None:
        def write(_: dict[str, Any]) -> str:
            self.service.add_entry(card["id"], "comment", text=text)
            return f"commented on {card['id']}"

        if text and text.strip():
            self.call_later(self._do, write)

    async def action_create(self) -> None:
        def write(title: str) -> str:
            return f"made {self.service.create('ticket', {'title': title}).id}"

        def done(title: str | None) -> None:
            if title and title.strip():
                self.call_later(self._do, lambda _: write(title), False)

        self.push_screen(Ask("Title of the new ticket"), done)

    async def action_find(self) -> None:
        def done(words: str | None) -> None:
            if words is not None:
                self._words = words.strip()
                self.say("")
                self.call_later(self.look)

        self.push_screen(Ask("Show only tickets with these words", self._words), done)

    async def action_refresh_now(self) -> None:
        await self.look()

    def _change(self, card: dict[str, Any], values: dict[str, Any], said: str, note: str = "") -> str:
        self.service.update(card["id"], values, note=note)
        return said

    async def _do(self, change: Any, needs_card: bool = True) -> None:
        """Makes a change and says what came of it; a refusal is said too and changes nothing."""
        card = self.chosen
        if needs_card and card is None:
            self.say("no ticket is chosen")
            return
        try:
            said = change(card)
        except FairleadError as exc:
            said = str(exc)
        await self.look()
        self.say(said)


def _words(card: dict[str, Any]) -> str:
    return " ".join((card["id"], card["title"], card["who"], card["priority"], *card["labels"])).lower()
