"""Verbs of `watch`: channels, feeds and folders that are looked at again and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.pipeline.intake.watching import Watches
    from fairlead.verbs.context import Context, Output

T = TypeVar("T")


def _with_watches(context: Context, work: Callable[[Watches], Awaitable[T]], *, create: bool) -> T:
    import asyncio

    from fairlead.tenancy import use_tenant

    async def do() -> T:
        app = context.open(create=create)
        try:
            with use_tenant(app.tenant):
                return await work(app.intake.watches)
        finally:
            await app.close()

    return asyncio.run(do())


def add(
    context: Context,
    address: str,
    label: str = "",
    tags: list[str] | None = None,
    every: float = 300.0,
    source: str = "",
    name: str | None = None,
    redact: bool = False,
    limit: int | None = None,
) -> dict[str, Any]:
    async def work(watches: Watches) -> dict[str, Any]:
        from pathlib import Path

        from fairlead.pipeline.intake.fetching import is_local
        from fairlead.pipeline.intake.watching import watch_view

        place = str(Path(address).expanduser().resolve()) if is_local(address) else address
        words = [tag.strip() for word in tags or () for tag in word.split(",") if tag.strip()]
        row = await watches.add(
            place,
            label=label,
            tags=words,
            source=source,
            every=every,
            cause=context.cause,
            name=name,
            redact=redact,
            limit=limit,
        )
        return watch_view(row)

    return _with_watches(context, work, create=True)


def print_watch(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['id'][-8:]}  {value['address']}  every {value['every']:g} s")


def list_watches(context: Context) -> dict[str, Any]:
    async def work(watches: Watches) -> dict[str, Any]:
        from fairlead.pipeline.intake.watching import watch_view

        return {"items": [watch_view(row) for row in await watches.list()]}

    return _with_watches(context, work, create=False)


def show_list(value: dict[str, Any], out: Output) -> None:
    if not value["items"]:
        out.line("Nothing is watched. Watch a feed: fairlead watch add URL")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("watch", "label", "every", "found", "looked at", "next look", ""):
        table.add_column(column, overflow="fold" if column == "" else "ellipsis", no_wrap=column != "")
    for item in value["items"]:
        note = f"{item['failure_count']} failures: {item['error']}" if item["error"] else ""
        times = [(item[name] or "never")[:19].replace("T", " ") for name in ("checked_at", "next_at")]
        table.add_row(
            item["id"][-8:], item["label"], f"{item['every']:g} s", str(item["found"]), *times, Text(note, "red")
        )
    out.print(table)


def remove(context: Context, watch: str) -> dict[str, Any]:
    async def work(watches: Watches) -> dict[str, Any]:
        from fairlead.pipeline.intake.watching import watch_view

        return watch_view(await watches.remove(watch, cause=context.cause))

    return _with_watches(context, work, create=True)


def print_removed(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['label']} is not watched any more. What it brought stays.")


def run(context: Context, once: bool = False, wait: bool = True, processes: int | None = None) -> dict[str, Any]:
    from fairlead.verbs.taking_in import watch_here

    return watch_here(context, once=once, wait=wait, processes=processes)


def print_looks(value: dict[str, Any], out: Output) -> None:
    from fairlead.verbs.taking_in import print_taken_in

    for watch in value["watches"]:
        if watch["error"]:
            out.line(f"not reached: {watch['label']}: {watch['error']}")
    out.line(f"{value['looks']} looks found {value['found']} items")
    print_taken_in(value, out)


VERBS: tuple[Verb, ...] = (
    Verb(
        "watch",
        "add",
        "watch a channel, feed, page or folder",
        add,
        params=(
            Param("address", "path", "URL or folder", positional=True, required=True),
            Param("label", "str", "a name for people"),
            Param("tags", "str", "tags of what is remembered, also with commas between them", many=True),
            Param("every", "float", "seconds between looks", default=300.0),
            Param("source", "str", "the source that has to take it, where several could"),
            Param("name", "str", "collection in memory; `content` unless stated"),
            Param("redact", "bool", "take out e-mail addresses, telephone numbers, cards and keys first"),
            Param("limit", "int", "most items that one look takes"),
        ),
        show=print_watch,
        examples=("fairlead watch add https://example.org/feed.xml --every 3600 --tags news",),
        role="operator",
        changes=True,
    ),
    Verb("watch", "list", "what is watched, and how the last looks went", list_watches, show=show_list),
    Verb(
        "watch",
        "remove",
        "end a watch; what it brought stays",
        remove,
        params=(Param("watch", "str", "id, the end of it, address or label", positional=True, required=True),),
        show=print_removed,
        role="operator",
        changes=True,
    ),
    Verb(
        "watch",
        "run",
        "look at what is due, and take in what is new",
        run,
        params=(
            Param("once", "bool", "look at everything once, now, and end"),
            Param("wait", "bool", "carry the jobs out here; --no-wait only puts them into the queue", default=True),
            Param("processes", "int", "processes for analysis; as many as there are cores unless stated"),
        ),
        show=print_looks,
        description="A place is remembered with the jobs that it gave: no item is lost or found twice.",
        role="operator",
        changes=True,
    ),
)
