"""Verbs of `memory`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.verbs import memory_show as printing
from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.memory import Memory
    from fairlead.verbs.context import Context

Work = Callable[..., Awaitable[Any]]

_NAME = Param(
    "name", help="namespace within the tenant and workspace", default="default", aliases=("-n", "--namespace")
)
_ONE_NAME = Param("name", help="one namespace only", aliases=("-n", "--namespace"))
_ID = Param("id", positional=True, required=True, help="an entry's id")
_IDS = Param("id", positional=True, many=True, help="ids of entries")
_FILTERS = (
    Param("tag", many=True, help="only entries with all of these tags"),
    Param("type", many=True, help="only entries of one of these content types"),
    Param("source", many=True, help="only entries from one of these sources"),
    Param("since", "float", "only entries created at or after this time, seconds since the epoch"),
    Param("until", "float", "only entries created at or before this time, seconds since the epoch"),
)
_FIELDS = {"tag": "tags", "type": "content_types", "source": "sources", "since": "since", "until": "until"}
"""The filters' names in the library."""


def _verb(verb: str, summary: str, work: Work, *params: Param, changes: bool = False, **more: Any) -> Verb:
    """A verb whose ``work`` is given an opened memory, who asked for it, and the arguments.

    One that changes something makes the store when there is none.
    """

    def call(context: Context, **arguments: Any) -> Any:
        return _with_memory(context, lambda memory: work(memory, context.cause, **arguments), create=changes)

    return Verb("memory", verb, summary, call, params=params, changes=changes, **more)


def _with_memory(context: Context, work: Callable[[Memory], Awaitable[Any]], *, create: bool) -> Any:
    """Opens the store, does ``work`` for the context's tenant, and closes it."""
    import asyncio

    from fairlead.clock import SystemClock
    from fairlead.memory import open_memory
    from fairlead.store import open_database
    from fairlead.tenancy import use_tenant

    settings = context.settings
    database = open_database(settings.database, durability=settings.durability, create=create)

    async def do() -> Any:
        with use_tenant(context.tenant):
            # A command looks once: it does not load what would take longer than the answer.
            memory = open_memory(database, SystemClock(), settings, load_most=20_000)
            try:
                return await work(memory)
            finally:
                memory.close()

    try:
        return asyncio.run(do())
    finally:
        database.close()


def _fields(filters: dict[str, Any]) -> dict[str, Any]:
    return {_FIELDS[name]: value for name, value in filters.items()}


# ── what each verb does ──────────────────────────────────────────────────────────────────────────────────────


async def add(memory: Memory, cause: str, text: str, **given: Any) -> dict[str, Any]:
    """``given`` are further arguments of :meth:`Memory.remember`, two of them by shorter names."""
    renamed = {{"type": "content_type", "tag": "tags"}.get(name, name): value for name, value in given.items()}
    return (await memory.remember(text, cause=cause, **renamed)).to_dict()


async def recall(
    memory: Memory, cause: str, query: str, name: str = "default", k: int = 10, min_score: float = 0.0, **filters: Any
) -> dict[str, Any]:
    hits = await memory.recall(query, name=name, k=k, min_score=min_score, **_fields(filters))
    return {"query": query, "hits": [hit.to_dict() for hit in hits]}


async def show(memory: Memory, cause: str, id: str, name: str = "default") -> dict[str, Any]:  # noqa: A002
    return (await memory.get(id, name=name)).to_dict()


async def forget(
    memory: Memory,
    cause: str,
    id: Iterable[str] = (),  # noqa: A002 - the argument's name
    name: str = "default",
    **filters: Any,
) -> dict[str, Any]:
    from fairlead.memory import make_selection

    count = await memory.forget(*id, name=name, selection=make_selection(**_fields(filters)), cause=cause)
    return {"forgotten": count}


async def erase(
    memory: Memory,
    cause: str,
    id: Iterable[str] = (),  # noqa: A002 - the argument's name
    name: str = "default",
    **filters: Any,
) -> dict[str, Any]:
    from fairlead.memory import make_selection

    erasure = await memory.erase(*id, name=name, selection=make_selection(**_fields(filters)), cause=cause)
    return {**erasure.to_dict(), "exit_code": 0 if erasure.complete else 1}


async def list_entries(
    memory: Memory, cause: str, name: str = "default", limit: int = 100, **filters: Any
) -> list[dict[str, Any]]:
    return [entry.to_dict() for entry in await memory.list(name=name, limit=limit, **_fields(filters))]


async def stats(memory: Memory, cause: str, name: str | None = None) -> list[dict[str, Any]]:
    return [await memory.stats(name=one) for one in await _names(memory, name)]


async def versions(memory: Memory, cause: str, id: str, name: str = "default") -> list[dict[str, Any]]:  # noqa: A002
    return await memory.versions(id, name=name)


async def export(
    memory: Memory, cause: str, path: str | None = None, name: str = "default", after: int = 0, limit: int = 500
) -> dict[str, Any]:
    """Everything into a file; without a path a page of entries as they are exported."""
    from pathlib import Path

    if path is None:
        return page_of(await memory.upkeep.export_page(after, limit, name=name), limit)
    lines = await memory.upkeep.export(name=name)
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(target)
    return {"path": str(target), "entries": len(lines) - 1}


def page_of(entries: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """A page of exported entries; ``next`` is the cursor to go on from."""
    more = len(entries) == limit
    return {"items": list(entries), "has_more": more, "next": entries[-1]["cursor"] if more else None}


def import_file(
    context: Context, path: str | None = None, entries: list[Any] | None = None, name: str = "default"
) -> Any:
    """Reads what was given before anything is opened, so that what cannot be read leaves no empty store."""
    from pathlib import Path

    from fairlead.errors import InvalidInputError

    if (path is None) == (entries is None):
        raise InvalidInputError("import needs a file or entries, and one of them.", remedy="Give one.", field="path")
    if entries is not None:
        lines = lines_of(entries)
    else:
        try:
            # Only a line feed ends a line here: texts may hold other line separators.
            lines = Path(str(path)).read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as exc:
            raise InvalidInputError(f"path {path!r} cannot be read: {exc}.", remedy="Give an exported file.") from exc

    async def work(memory: Memory) -> dict[str, Any]:
        return (await memory.upkeep.import_lines(lines, name=name, cause=context.cause))._asdict()

    return _with_memory(context, work, create=True)


def lines_of(entries: Any) -> list[str]:
    """Exported entries that were given as a list, as lines."""
    import json

    from fairlead.errors import InvalidInputError

    if not isinstance(entries, list):
        raise InvalidInputError("entries is no list.", remedy="Give a list of exported entries.", field="entries")
    return [json.dumps(entry) for entry in entries]


async def verify(memory: Memory, cause: str, name: str | None = None) -> dict[str, Any]:
    names = await _names(memory, name)
    found = {one: [p._asdict() for p in await memory.upkeep.verify(name=one)] for one in names}
    return {"namespaces": found, "exit_code": 1 if any(found.values()) else 0}


async def reindex(memory: Memory, cause: str, name: str | None = None) -> dict[str, Any]:
    return {one: await memory.upkeep.reindex(name=one, cause=cause) for one in await _names(memory, name)}


async def move(memory: Memory, cause: str, target: str, share: int = 0, name: str = "default") -> dict[str, Any]:
    stages = await memory.upkeep.move(target, share, name=name, cause=cause)
    return {"target": target, "share": share, "stages": [stage._asdict() for stage in stages]}


async def graph(
    memory: Memory, cause: str, entity: str | None = None, depth: int = 2, name: str = "default", output: str = "tree"
) -> dict[str, Any]:
    from fairlead.errors import InvalidInputError
    from fairlead.memory.graph import to_cypher, to_dot, to_graphml

    if entity is None and output == "tree":
        raise InvalidInputError("a tree needs an ENTITY to start from.", remedy="Name one, or ask for --output themes.")
    if output == "themes":
        return {"themes": [[one.label for one in group] for group in await memory.graph.themes(name=name)]}
    if entity is None:
        reached, whole = [], await memory.graph.whole(name=name)
    else:
        found, whole = await memory.graph.around(entity, depth=depth, name=name)
        reached = [
            {"id": r.entity.id, "label": r.entity.label, "nearness": r.nearness, "hops": r.hops, "via": r.via}
            | {"relation": r.relation}
            for r in found
        ]
    writers = {"dot": to_dot, "graphml": to_graphml, "cypher": to_cypher}
    labels = {number: one.label for number, one in whole.entities.items()}
    return {
        "reached": reached,
        "relations": [[labels[r.source], r.kind, labels[r.target]] for r in whole.relations],
        "text": writers[output](whole) if output in writers else "",
    }


async def _names(memory: Memory, name: str | None) -> tuple[str, ...]:
    """One namespace, or all."""
    return (name,) if name else await memory.names()


VERBS: tuple[Verb, ...] = (
    _verb(
        "add",
        "remember a text",
        add,
        Param("text", positional=True, required=True, help="the text; - reads it from standard input"),
        _NAME,
        Param("type", default="passage", help="what kind of content it is"),
        Param("source", help="where it comes from: a URI, path or run"),
        Param("tag", many=True, help="tags to find it by"),
        Param("key", help="name under which a later text replaces this one"),
        Param("ttl", "float", "seconds after which it is forgotten"),
        Param("metadata", "json", "facts about it, a JSON object"),
        show=printing.show_entry,
        examples=('fairlead memory add "Deploys freeze on Fridays." --source handbook.md --tag process',),
        aliases=("remember",),
        role="operator",
        changes=True,
    ),
    _verb(
        "recall",
        "find what answers a question, with reasons and sources",
        recall,
        Param("query", positional=True, required=True, help="words or a question"),
        _NAME,
        Param("k", "int", "hits at most", default=10, aliases=("--limit",)),
        *_FILTERS,
        Param("min_score", "float", "leave out hits below this score", default=0.0),
        show=printing.show_hits,
        examples=('fairlead memory recall "when do deploys freeze"',),
        aliases=("search", "query"),
    ),
    _verb("show", "show one entry", show, _ID, _NAME, show=printing.show_entry, aliases=("get",)),
    _verb(
        "forget",
        "remove entries by id or by what they match",
        forget,
        _IDS,
        _NAME,
        *_FILTERS,
        show=printing.show_count,
        aliases=("delete", "rm"),
        role="operator",
        changes=True,
    ),
    _verb(
        "list",
        "list entries, newest first",
        list_entries,
        _NAME,
        Param("limit", "int", "entries at most", default=100),
        *_FILTERS,
        show=printing.show_entries,
        aliases=("ls",),
    ),
    _verb("stats", "counts of each namespace", stats, _ONE_NAME, show=printing.show_stats),
    _verb("versions", "what an entry was before it was changed", versions, _ID, _NAME, show=printing.show_versions),
    _verb(
        "erase",
        "remove entries for good, and prove it",
        erase,
        _IDS,
        _NAME,
        *_FILTERS,
        description="Overwrites where they stood and searches tables, indexes, tiers and files for what is left. "
        "Backups are named when they hold it, and not changed.",
        show=printing.show_erasure,
        role="admin",
        changes=True,
    ),
    _verb(
        "export",
        "write all entries to a file, one JSON object a line",
        export,
        Param("path", "path", "the file; without it a page of entries is the answer", positional=True),
        _NAME,
        Param("after", "int", "`next` of the page before", default=0),
        Param("limit", "int", "entries of a page", default=500),
        show=printing.show_facts,
    ),
    Verb(
        "memory",
        "import",
        "take in an exported file; what was erased here stays out",
        import_file,
        params=(
            Param("path", "path", "the file", positional=True),
            Param("entries", "json", "the entries themselves, as a list"),
            _NAME,
        ),
        show=printing.show_facts,
        role="operator",
        changes=True,
    ),
    _verb("verify", "compare every index with the entries", verify, _ONE_NAME, show=printing.show_verify),
    _verb(
        "reindex",
        "derive every index from the entries anew",
        reindex,
        _ONE_NAME,
        show=printing.show_facts,
        role="operator",
        changes=True,
    ),
    _verb(
        "move",
        "take a namespace's vectors to another index, by stages and while it serves",
        move,
        Param("target", positional=True, required=True, help="embedded, qdrant or pgvector"),
        Param("share", "int", "percent of the questions: 0, 10, 50 or 100", default=0),
        _NAME,
        description="Share 0 fills the new index and puts every question to both, 10, 50 and 100 are the part that it "
        "answers. `embedded` is the way back, at once.",
        show=printing.show_move,
        examples=("fairlead memory move qdrant", "fairlead memory move qdrant --share 10"),
        role="admin",
        changes=True,
    ),
    _verb(
        "graph",
        "what lies around a named thing",
        graph,
        Param("entity", positional=True, help="a name; without it the whole graph"),
        Param("depth", "int", "hops", default=2),
        _NAME,
        Param("output", help="what to print", default="tree", choices=("tree", "dot", "graphml", "cypher", "themes")),
        show=printing.show_graph,
        examples=("fairlead memory graph Fairlead --depth 2", "fairlead memory graph --output dot"),
    ),
)
