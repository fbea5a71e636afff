"""Opening the board that a command line works on: found from the working folder, on behalf of whoever works there."""

from __future__ import annotations

import os

from fairlead.clock import SystemClock, isoformat
from fairlead.tickets import place as places
from fairlead.tickets.board import FileBoard
from fairlead.tickets.service import TicketService

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.tickets.place import Place
    from fairlead.tickets.plan import Author
    from fairlead.verbs.context import Context


def find_place(*, must_exist: bool = True, start: str | None = None) -> Place:
    """The board of the working folder (or of ``start``)."""
    return places.find(start or os.getcwd(), _state_home, must_exist=must_exist)


def open_service(context: Context | None = None, *, start: str | None = None) -> TicketService:
    """The service over the board of files at or above the working folder.

    :class:`NotInitialisedError` when there is none. Settings are read only when something is to be changed.
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

    return TicketService(FileBoard(place, clock), clock=clock, entropy=os.urandom, author=author)


def who(context: Any, place: Place) -> tuple[str, str | None]:
    """Name and e-mail to record: the actor that is set, else the version control system's user, else the login."""
    from fairlead.settings import read_variable

    actor = read_variable("FAIRLEAD_ACTOR")
    name, email = places.user_of(place, read_variable("HOME"))
    if actor:
        return actor, None if actor != name else email
    if name:
        return name, email
    return (context.settings.actor if context is not None else read_variable("USER")) or "unknown", None


def _state_home() -> str:
    from fairlead.settings import read_variable

    home = read_variable("XDG_STATE_HOME") or os.path.join(read_variable("HOME") or ".", ".local", "state")
    return os.path.join(home, "fairlead", "boards")
