"""Opening the board that a command line works on: found from the working folder, on behalf of whoever works there."""

from __future__ import annotations

import os

from fairlead.clock import SystemClock, isoformat
from fairlead.tickets import place as places
from fairlead.tickets.board import FileBoard
from fairlead.tickets.cache import RecordCache
from fairlead.tickets.service import TicketService

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from fairlead.tickets.place import Place
    from fairlead.tickets.plan import Author


def find_place(*, must_exist: bool = True, start: str | None = None) -> Place:
    """The board of the working folder (or of ``start``)."""
    return places.find(start or os.getcwd(), _state_home, must_exist=must_exist)


def open_service(context: Any = None, *, start: str | None = None) -> TicketService:
    """The service over the board of files at or above the working folder.

    :class:`NotInitialisedError` when there is none. ``context`` is a verb's call, of which the settings are read only
    when something is to be changed.
    """
    clock = SystemClock()
    place = find_place(start=start)

    def author() -> Author:
        from fairlead.tickets.plan import Author

        name, email = who(context, place)
        return Author(
            name,
            isoformat(clock.now()),
            email=email,
            branch=places.branch_of(place),
            commit=places.commit_of(place),
        )

    board = FileBoard(place, clock)
    return TicketService(
        board, clock=clock, entropy=os.urandom, author=author, cache=RecordCache(clock), after=Followers(board)
    )


class Followers:
    """Hands the events of each committed change to the board's hooks, and to whoever subscribed in this process.

    A subscriber that raises is counted and the others still hear; hooks are looked at only where some are enabled.
    """

    def __init__(self, board: FileBoard) -> None:
        self._board = board
        self._subscribers: tuple[Callable[[dict[str, Any]], None], ...] = ()
        self.failures = 0

    def subscribe(self, subscriber: Callable[[dict[str, Any]], None]) -> None:
        """Has ``subscriber`` called with each event of this process's changes, as data."""
        self._subscribers = (*self._subscribers, subscriber)

    def __call__(self, numbers: Sequence[int]) -> None:
        place = self._board.place
        hooked = os.path.exists(os.path.join(place.shared, "hooks.json"))
        if not hooked and not self._subscribers:
            return
        from fairlead.tickets.stream import as_dict

        shared = self._board.shared
        found = shared.events(after=min(numbers) - 1, limit=max(numbers) - min(numbers) + 1)
        wanted = set(numbers)
        events = [as_dict(row) for row in found if row[0] in wanted]
        for subscriber in self._subscribers:
            self._deliver(subscriber, events)
        if hooked:
            from fairlead.tickets.hooks import at_place

            at_place(place).run(events)

    def _deliver(self, subscriber: Callable[[dict[str, Any]], None], events: Sequence[dict[str, Any]]) -> None:
        import logging

        for event in events:
            try:
                subscriber(event)
            except Exception:  # a listener's fault must not undo the work it listens to
                self.failures += 1
                self._board.shared.add({"followers.failures": 1.0})
                logging.getLogger(__name__).exception("a follower failed on %s %s", event["type"], event["id"])


def who(context: Any, place: Place) -> tuple[str, str | None]:
    """Name and e-mail to record: the actor that is set, else the version control system's user, else the login."""
    from fairlead.settings import read_variable

    if context is not None and context.on_behalf:
        return context.on_behalf, None
    actor = read_variable("FAIRLEAD_ACTOR")
    name, email = places.user_of(place, read_variable("HOME"), read_variable("GIT_CONFIG_GLOBAL"))
    if actor:
        return actor, None if actor != name else email
    if name:
        return name, email
    return (context.settings.actor if context is not None else read_variable("USER")) or "unknown", None


def _state_home() -> str:
    from fairlead.settings import read_variable

    home = read_variable("XDG_STATE_HOME") or os.path.join(read_variable("HOME") or ".", ".local", "state")
    return os.path.join(home, "fairlead", "boards")
