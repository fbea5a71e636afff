"""Carrying an import or export out: reads and writes the files, the rest is pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.clock import isoformat
from fairlead.errors import ConflictError, InvalidInputError, NotFoundError
from fairlead.tickets.fields import FINISHED_STATUSES
from fairlead.tickets.interchange import format_for, read_text, write_text
from fairlead.tickets.interchange.exchange import plan, record_of
from fairlead.tickets.model import Ticket

if TYPE_CHECKING:
    from fairlead.tickets.interchange.kept import Record
    from fairlead.tickets.service import TicketService


def read_path(path: Path, format_: str | None) -> tuple[str, list[Record]]:
    """The format and the records of a file or folder."""
    if not path.exists():
        raise NotFoundError(f"there is no file or folder {str(path)!r}.", remedy="Check the path.", path=str(path))
    format_ = format_ or format_for(path.name, folder=path.is_dir())
    if format_ == "backlog-md":
        from fairlead.tickets.interchange import backlog_md

        return format_, backlog_md.read_files(_backlog_files(path))
    if path.is_dir():
        inner = path / "issues.jsonl" if format_ == "beads" else path
        if inner.is_dir() or not inner.exists():
            raise InvalidInputError(
                f"{path} is a folder.",
                remedy="Name the file in it that holds the tickets.",
                field="path",
                value=str(path),
            )
        path = inner
    return format_, read_text(format_, _read(path))


def _backlog_files(path: Path) -> dict[str, str]:
    """The task files of a Backlog.md project, of its folder, or of a folder of tasks, and the completed ones."""
    if path.is_file():
        return {path.name: _read(path)}
    places = [path / "backlog/tasks", path / ".backlog/tasks", path / "tasks"]
    tasks = next((place for place in places if place.is_dir()), path)
    folders = [tasks] + [tasks.parent / "completed"] * (tasks != path)
    found = {}
    for folder in folders:
        for file in sorted(folder.glob("*.md")):
            if file.name.lower() != "readme.md":
                name = file.name if folder == tasks else f"../completed/{file.name}"
                found[name] = _read(file)
    if not found:
        raise NotFoundError(
            f"{path} holds no task files.", remedy="Name the folder that has `tasks/*.md`.", path=str(path)
        )
    return found


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError as exc:
        raise InvalidInputError(
            f"{path} is not UTF-8: byte {exc.start} is {exc.object[exc.start]:#04x}.",
            remedy="Convert it to UTF-8.",
            field="path",
            value=str(path),
        ) from exc


def import_records(service: TicketService, records: Sequence[Record], *, dry_run: bool = False) -> dict[str, Any]:
    """Brings records onto the board in one transaction; tickets that are there already are brought up to date."""
    from fairlead.tickets.identifiers import new_thing_id

    here = {ticket.id: record_of(ticket) for ticket in _tickets(service)} if service.count("ticket") else {}
    taken = {*here, *(str(r.get("id")) for r in records)}

    def fresh() -> str:
        made = new_thing_id(len(taken), taken.__contains__, service.entropy)
        taken.add(made)
        return made

    author = service.author()
    made = plan(records, here, now=isoformat(service.clock.now()), by=author.name, new_id=fresh)
    answer: dict[str, Any] = {
        "created": len(made.created),
        "updated": len(made.updated),
        "unchanged": len(made.unchanged),
        "renamed": made.names,
        "warnings": made.warnings,
        "dry_run": dry_run,
    }
    if made.operations:
        result = service.apply(made.operations, dry_run=dry_run, dangling=True)
        if not result.success:
            first = result.errors[0]
            kind = ConflictError if first.get("code") == "ConflictError" else InvalidInputError
            raise kind(
                f"{first.get('id')}: {first.get('error')}",
                remedy=f"{first.get('remedy', '')} Nothing was imported.".strip(),
                id=first.get("id"),
            )
    return answer


def _tickets(service: TicketService) -> list[Ticket]:
    return [thing for thing in service.everything("ticket") if isinstance(thing, Ticket)]


def export_records(service: TicketService, *, every: bool = True) -> list[Record]:
    """The records of the board in the order of creation, with the reasons why tickets were closed."""
    reasons: dict[str, str] = {}
    # History comes newest first: the first word on a ticket is the last that was said.
    for change in service.history(limit=1_000_000):
        if change.note and any(f == "status" and after in FINISHED_STATUSES for f, _, after in change.edits):
            reasons.setdefault(change.thing_id, change.note)
    records = [record_of(ticket, reasons.get(ticket.id, "")) for ticket in _tickets(service)]
    # What has no time of its own was given one by an import; it must not depend on when that was.
    records.sort(key=lambda r: (r.get("created_at", ""), r["id"]))
    return records if every else [r for r in records if r["status"] not in FINISHED_STATUSES]


def epics_of(service: TicketService) -> list[dict[str, Any]]:
    """What the report shows of epics."""
    from fairlead.tickets.planning import epic_tickets, progress

    found = []
    for row in service.rows("epic", sort="priority"):
        so_far = progress(epic_tickets(service, row["id"]))
        found.append({"title": row["title"], "status": row["status"], "done": so_far.done, "total": so_far.total})
    return found


def export_text(service: TicketService, format_: str, *, title: str, every: bool = True) -> str:
    """The board as one text."""
    records = export_records(service, every=every)
    if format_ == "html":
        from fairlead.tickets.interchange import report

        now = isoformat(service.clock.now())
        return report.render(records, title, now=now, epics=epics_of(service))
    return write_text(format_, records, title=title)


def export_folder(service: TicketService, folder: Path, *, every: bool = True) -> int:
    """Writes Backlog.md files into a folder of tasks and returns how many. Files with other names are left alone."""
    from fairlead.tickets.interchange import backlog_md

    target = folder / "tasks" if (folder / "tasks").is_dir() or folder.name == "backlog" else folder
    target.mkdir(parents=True, exist_ok=True)
    records = export_records(service, every=every)
    for record in records:
        name, text = backlog_md.write_file(record)
        path = target / name
        if not path.resolve().is_relative_to(folder.resolve()):
            path = target / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return len(records)
