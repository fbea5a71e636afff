"""Verbs of `ticket` that exchange with other tools, tell agents what they need, and allow hooks."""

from __future__ import annotations

from fairlead.verbs.opened import Opened
from fairlead.verbs.table import Noun, Param, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.verbs.context import Context, Output


def import_(
    context: Context,
    path: str | None = None,
    text: str | None = None,
    source: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    from pathlib import Path

    from fairlead.errors import InvalidInputError
    from fairlead.tickets.interchange.carrying import import_records, read_path

    if (path is None) == (text is None):
        raise InvalidInputError("import needs a path or a text, and one of them.", remedy="Give one.", field="path")
    if path is not None:
        format_, records = read_path(Path(path), source)
    else:
        from fairlead.tickets.interchange import read_text

        if source is None:
            raise InvalidInputError(
                "the shape of a text is not guessed.", remedy=f"Give source: {', '.join(_TEXTS)}.", field="source"
            )
        format_, records = source, read_text(source, text or "")
    with Opened(context) as service:
        return {"format": format_, "read": len(records), **import_records(service, records, dry_run=dry_run)}


def export(
    context: Context,
    path: str | None = None,
    to: str | None = None,
    open_only: bool = False,
    title: str = "Tickets",
) -> dict[str, Any]:
    from pathlib import Path

    from fairlead.errors import InvalidInputError
    from fairlead.tickets.interchange import format_for
    from fairlead.tickets.interchange.carrying import export_folder, export_text

    target = Path(path) if path not in (None, "-") else None
    if to is None:
        to = "beads" if target is None else format_for(target.name, folder=target.is_dir(), writing=True)
    with Opened(context) as service:
        if to == "backlog-md":
            if target is None:
                raise InvalidInputError(
                    "Backlog.md is a folder of files.", remedy="Name the folder to write to.", field="path"
                )
            return {"format": to, "path": str(target), "tickets": export_folder(service, target, every=not open_only)}
        text = export_text(service, to, title=title, every=not open_only)
        count = service.count("ticket", **({"finished": False} if open_only else {}))
    if target is None:
        return {"format": to, "text": text, "tickets": count}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8", newline="")
    return {"format": to, "path": str(target), "tickets": count}


def report(context: Context, path: str = "tickets.html", title: str = "Tickets") -> dict[str, Any]:
    return export(context, path, "html", title=title)


def prime(context: Context) -> dict[str, Any]:
    from fairlead.tickets.prime import text_of

    with Opened(context) as service:
        return {"text": text_of(service, service.author().name)}


def hooks(context: Context, action: str = "list", name: list[str] | None = None) -> dict[str, Any]:
    from fairlead.tickets.hooks import at_place
    from fairlead.tickets.opening import find_place

    found = at_place(find_place())
    if action == "enable":
        items = found.enable(name or ())
    elif action == "disable":
        items = found.disable(name or ())
    else:
        items = found.found()
    return {"items": [hook._asdict() for hook in items]}


# ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────


def show_import(value: dict[str, Any], out: Output) -> None:
    would = "would be " if value["dry_run"] else ""
    counts = f"{value['created']} {would}created, {value['updated']} {would}updated, {value['unchanged']} unchanged"
    out.line(f"{value['read']} tickets of {value['format']}: {counts}")
    for old, new in value["renamed"].items():
        out.line(f"  {old!r} is now {new}")
    for warning in value["warnings"][:20]:
        out.line(f"  warning: {warning}")
    if len(value["warnings"]) > 20:
        out.line(f"  ... and {len(value['warnings']) - 20} more warnings")


def show_export(value: dict[str, Any], out: Output) -> None:
    if "text" in value:
        out.line(value["text"].removesuffix("\n"))
    else:
        out.line(f"{value['tickets']} tickets written to {value['path']} as {value['format']}")


def show_prime(value: dict[str, Any], out: Output) -> None:
    out.line(value["text"].removesuffix("\n"))


def show_hooks(value: dict[str, Any], out: Output) -> None:
    for hook in value["items"]:
        state = "enabled" if hook["enabled"] else "not enabled" if hook["executable"] else "not executable"
        counts = f"{hook['runs']} runs, {hook['failures']} failed" if hook["runs"] else ""
        out.line(f"{hook['name']:<28} {state:<15} {counts}".rstrip())
        if hook["last_error"]:
            out.line(f"    last: {hook['last_error']}")
    if not value["items"]:
        out.line("No hooks. A hook is an executable file .tickets/hooks/EVENT, such as ticket.closed, or `any`.")


_TEXTS = ("beads", "github", "jira")
_FORMATS = ("beads", "backlog-md", "github", "jira", "markdown", "html")
_TICKET = Noun("ticket")
VERBS: tuple[Verb, ...] = (
    _TICKET.changes(
        "import",
        "take in tickets of another tool",
        import_,
        Param("path", "path", "file or folder", positional=True),
        Param("text", "str", "what such a file holds, with --source"),
        Param(
            "source",
            "str",
            "its shape; guessed unless given",
            choices=_FORMATS[:4],
            aliases=("--from", "--format-of"),
        ),
        Param("dry_run", "bool", "check only"),
        show=show_import,
        description=(
            "Reads beads JSONL, a Backlog.md folder, GitHub issues JSON and Jira CSV, in one transaction. Identifiers\n"
            "are kept. What has no field here is kept and written again on export. Importing again brings up to date."
        ),
        examples=("fairlead ticket import .beads/issues.jsonl", "fairlead ticket import issues.json --from github"),
    ),
    _TICKET.reads(
        "export",
        "write tickets in another tool's shape, as Markdown or as an HTML report",
        export,
        Param(
            "path",
            "path",
            "file or folder; standard output when left out",
            positional=True,
            aliases=("-o", "--output"),
        ),
        Param("to", "str", "shape; told by the path's name unless given, else beads", choices=_FORMATS),
        Param("open_only", "bool", "only unfinished tickets"),
        Param("title", "str", "title of a Markdown document or report", default="Tickets"),
        show=show_export,
    ),
    _TICKET.reads(
        "report",
        "write the HTML report of the board",
        report,
        Param("path", "path", "file to write", positional=True, default="tickets.html", aliases=("-o", "--output")),
        Param("title", "str", "its title", default="Tickets"),
        show=show_export,
    ),
    _TICKET.reads("prime", "what an agent needs to know at the start", prime, show=show_prime, aliases=("guide",)),
    _TICKET.changes(
        "hooks",
        "list, enable or disable programs that run after something happened",
        hooks,
        Param("action", "str", "what to do", positional=True, choices=("list", "enable", "disable"), default="list"),
        Param("name", "str", "hooks; all when left out", positional=True, many=True),
        role="admin",
        show=show_hooks,
        description="Hooks are files .tickets/hooks/EVENT. A clone runs none until a person enables their content.",
    ),
)
