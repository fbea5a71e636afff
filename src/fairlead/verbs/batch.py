"""Verbs of `batch`: many changes as one."""

from __future__ import annotations

from fairlead.verbs.opened import Opened
from fairlead.verbs.table import Noun, Param, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fairlead.verbs.context import Context, Output


def _batch(action: str) -> Callable[..., Any]:
    def call(
        context: Context, file: str | None = None, items: Any = None, atomic: bool = True, dry_run: bool = False
    ) -> Any:
        from fairlead.tickets.batchfile import read

        plan = read(_text_of(file, items), action, name=file or "items")

        with Opened(context) as service:
            result = service.apply(plan, atomic=atomic, dry_run=dry_run)
            answer = {**result._asdict(), "exit_code": 0 if result.success else 1}
            if dry_run:
                answer["dry_run"] = True
            return answer

    return call


def _text_of(file: str | None, items: Any) -> str:
    """The text of a plan: of a file (`-` is standard input), or of the items that were given instead."""
    if (file is None) == (items is None) or not isinstance(items, (str, list, dict, type(None))):
        from fairlead.errors import InvalidInputError

        raise InvalidInputError(
            "a batch needs a file or items, and one of them.", remedy="Give a list of items.", field="items"
        )
    if file is not None:
        from fairlead.verbs.ticket_write import text_of

        return text_of(None, file, "file") or ""
    if isinstance(items, str):
        return items
    import json

    return json.dumps(items)


def show(answer: Any, out: Output) -> None:
    done = [f"{len(answer[name])} {word}" for name, word in _WORDS if answer[name]]
    said = ", ".join(done) or "nothing changed"
    if answer.get("dry_run"):
        said = f"would be: {said}"
    if answer["rolled_back"]:
        said = f"refused, {said}"
    out.line(f"{said} ({answer['duration_ms']:.0f} ms)")
    for error in answer["errors"]:
        out.line(
            f"  item {error['item']}{' ' + error['id'] if error['id'] else ''}: {error['error']} {error['remedy']}"
        )
    # What a dry run would have made gets other identifiers when it is made.
    for thing_id in () if answer.get("dry_run") else answer["created_ids"]:
        out.line(thing_id)


_WORDS = (("created_ids", "created"), ("updated_ids", "updated"), ("deleted_ids", "deleted"))

_PARAMS = (
    Param("file", "path", "JSON, JSON lines or CSV; `-` is standard input", positional=True),
    Param("items", "json", "the items themselves: a list, or the text of such a file"),
    Param("atomic", "bool", "all or nothing; --no-atomic does what can be done", default=True),
    Param("dry_run", "bool", "check and say what would happen"),
)

_BATCH = Noun("batch", show)

VERBS: tuple[Verb, ...] = (
    _BATCH.changes("create", "create what a file lists", _batch("create"), *_PARAMS),
    _BATCH.changes("update", "update what a file lists", _batch("update"), *_PARAMS),
    _BATCH.changes("delete", "delete what a file lists", _batch("delete"), *_PARAMS),
    _BATCH.changes("close", "close what a file lists", _batch("close"), *_PARAMS),
    _BATCH.changes(
        "run",
        "carry out a plan of creations, links, updates, closings and deletions",
        _batch("run"),
        *_PARAMS,
        aliases=("custom", "apply", "plan"),
        description='Each item says its `action`. `"id": "$a"` names a creation for the items behind it.',
    ),
)
