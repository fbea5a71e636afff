"""Making a board: the folder and a page for the person who meets it."""

from __future__ import annotations

import os

from fairlead.tickets import intents
from fairlead.tickets.evidence import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.tickets.place import Place

README = """\
# Tickets

What is to be done in this repository, one file a ticket, in the same history as the code it is about.

- `k7f2q.md` is a ticket (an epic, a backlog item): its fields, one a line, and its text in Markdown.
- `k7f2q/` holds what belongs to it, one file each: `label.db` and `blocked-by.m3xqa` are empty files whose name says
  it all, `...-comment-....md` is a comment, `...-change-....txt` tells who changed what.

Read and edit all of it by hand as you like: these files are the only truth. Keep the empty lines between the fields;
they are what lets two branches that change different fields merge without a conflict. `fairlead ticket doctor` says
what is wrong with a file, by its line, and settles what a merge could not decide.

    fairlead ticket ready        what can be done now
    fairlead ticket show k7f     one of them, by any unique beginning of its name
    fairlead ticket create "Pump runs dry" --priority high --label hull
"""


def start(place: Place, *, evidence: bool = False) -> bool:
    """Makes the board; False when it was there already. With ``evidence`` closing demands some."""
    readme = os.path.join(place.tickets, "README.md")
    fresh = not os.path.isdir(place.tickets)
    try:
        os.makedirs(place.tickets, exist_ok=True)
        if not os.path.lexists(readme):
            intents.replace(readme, README.encode())
        if evidence:
            intents.replace(os.path.join(place.tickets, SETTINGS), b"evidence: required\n")
    except OSError as exc:
        raise intents.explained(exc, place.tickets) from exc
    return fresh
