"""Verbs of `memory`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.memory import Memory
    from fairlead.verbs.context import Context, Output

T = TypeVar("T")

_NAME = Param(
    "name", help="namespace within the tenant and workspace", default="default", aliases=("-n", "--namespace")
)
_ONE_NAME = Param("name", help="one namespace only", aliases=("-n", "--namespace"))
_FILTERS = (
    Param("tag", many=True, help="only entries with all of these tags"),
    Param("type", many=True, help="only entries of one of these content types"),
    Param("source", many=True, help="only entries from one of these sources"),
    Param("since", "float", "only entries created at or after this time, seconds since the epoch"),
    Param("until", "float", "only entries created at or before this time, seconds since the epoch"),
)


def _with_memory(context: Context, work: Callable[[Memory], Awaitable[T]], *, create: bool) -> T:
    """Opens the store, does ``work`` for the context's tenant, and closes it."""
    import asyncio

    from fairlead.clock import SystemClock
    from fairlead.memory import open_memory
    from fairlead.store import open_database
    from fairlead.tenancy import use_tenant

    settings = context.settings
    database = open_database(settings.database, durability=settings.durability, create=create)

    async def do() -> T:
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


def add(
    context: Context,
    text: str,
    name: str = "default",
    type: str = "passage",  # noqa: A002 - the flag's name
    source: str = "",
    tag: Iterable[str] = (),
    key: str | None = None,
    ttl: float | None = None,
    metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    async def work(memory: Memory) -> dict[str, Any]:
        entry = await memory.remember(
            text,
            name=name,
            content_type=type,
            source=source,
            tags=tag,
            key=key,
            ttl=ttl,
            metadata=metadata,
            cause=context.cause,
        )
        return entry.to_dict()

    return _with_memory(context, work, create=True)


def recall(
    context: Context,
    query: str,
    name: str = "default",
    k: int = 10,
    tag: Iterable[str] = (),
    type: Iterable[str] = (),  # noqa: A002 - the flag's name
    source: Iterable[str] = (),
    since: float | None = None,
    until: float | None = None,
    min_score: float = 0.0,
) -> dict[str, Any]:
    async def work(memory: Memory) -> dict[str, Any]:
        hits = await memory.recall(
            query,
            name=name,
            k=k,
            tags=tag,
            content_types=type,
            sources=source,
            since=since,
            until=until,
            min_score=min_score,
        )
        return {"query": query, "hits": [hit.to_dict() for hit in hits]}

    return _with_memory(context, work, create=False)


def show(context: Context, id: str, name: str = "default") -> dict[str, Any]:  # noqa: A002 - the argument's name
    async def work(memory: Memory) -> dict[str, Any]:
        return (await memory.get(id, name=name)).to_dict()

    return _with_memory(context, work, create=False)


def forget(
    context: Context,
    id: Iterable[str] = (),  # noqa: A002 - the argument's name
    name: str = "default",
    tag: Iterable[str] = (),
    type: Iterable[str] = (),  # noqa: A002 - the flag's name
    source: Iterable[str] = (),
    since: float | None = None,
    until: float | None = None,
) -> dict[str, Any]:
    from fairlead.memory import make_selection

    selection = make_selection(tag, type, source, since, until)

    async def work(memory: Memory) -> dict[str, Any]:
        count = await memory.forget(*id, name=name, selection=selection, cause=context.cause)
        return {"forgotten": count}

    return _with_memory(context, work, create=True)


def list_entries(
    context: Context,
    name: str = "default",
    limit: int = 100,
    tag: Iterable[str] = (),
    type: Iterable[str] = (),  # noqa: A002 - the flag's name
    source: Iterable[str] = (),
    since: float | None = None,
    until: float | None = None,
) -> list[dict[str, Any]]:
    async def work(memory: Memory) -> list[dict[str, Any]]:
        entries = await memory.list(
            name=name, limit=limit, tags=tag, content_types=type, sources=source, since=since, until=until
        )
        return [entry.to_dict() for entry in entries]

    return _with_memory(context, work, create=False)


def stats(context: Context, name: str | None = None) -> list[dict[str, Any]]:
    async def work(memory: Memory) -> list[dict[str, Any]]:
        names = (name,) if name else await memory.names()
        return [await memory.stats(name=one) for one in names]

    return _with_memory(context, work, create=False)


def versions(context: Context, id: str, name: str = "default") -> list[dict[str, Any]]:  # noqa: A002 - as above
    async def work(memory: Memory) -> list[dict[str, Any]]:
        return await memory.versions(id, name=name)

    return _with_memory(context, work, create=False)


def erase(
    context: Context,
    id: Iterable[str] = (),  # noqa: A002 - the argument's name
    name: str = "default",
    tag: Iterable[str] = (),
    type: Iterable[str] = (),  # noqa: A002 - the flag's name
    source: Iterable[str] = (),
    since: float | None = None,
    until: float | None = None,
) -> dict[str, Any]:
    from fairlead.memory import make_selection

    selection = make_selection(tag, type, source, since, until)

    async def work(memory: Memory) -> dict[str, Any]:
        erasure = await memory.erase(*id, name=name, selection=selection, cause=context.cause)
        return {**erasure.to_dict(), "exit_code": 0 if erasure.complete else 1}

    return _with_memory(context, work, create=True)


def export(
    context: Context, path: str | None = None, name: str = "default", after: int = 0, limit: int = 500
) -> dict[str, Any]:
    """Everything into a file; without a path a page of entries as they are exported."""
    from pathlib import Path

    async def page(memory: Memory) -> dict[str, Any]:
        return page_of(await memory.upkeep.export_page(after, limit, name=name), limit)

    async def work(memory: Memory) -> dict[str, Any]:
        lines = await memory.upkeep.export(name=name)
        target = Path(str(path))
        partial = target.with_name(target.name + ".partial")
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        partial.replace(target)
        return {"path": str(target), "entries": len(lines) - 1}

    return _with_memory(context, page if path is None else work, create=False)


def page_of(entries: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """A page of exported entries; ``next`` is the cursor to go on from."""
    more = len(entries) == limit
    return {"items": list(entries), "has_more": more, "next": entries[-1]["cursor"] if more else None}


def import_file(
    context: Context, path: str | None = None, entries: list[Any] | None = None, name: str = "default"
) -> dict[str, Any]:
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
        done = await memory.upkeep.import_lines(lines, name=name, cause=context.cause)
        return done._asdict()

    return _with_memory(context, work, create=True)


def lines_of(entries: Any) -> list[str]:
    """Exported entries that were given as a list, as lines."""
    import json

    from fairlead.errors import InvalidInputError

    if not isinstance(entries, list):
        raise InvalidInputError("entries is no list.", remedy="Give a list of exported entries.", field="entries")
    return [json.dumps(entry) for entry in entries]


def verify(context: Context, name: str | None = None) -> dict[str, Any]:
    async def work(memory: Memory) -> dict[str, Any]:
        names = (name,) if name else await memory.names()
        found = {one: [p._asdict() for p in await memory.upkeep.verify(name=one)] for one in names}
        return {"namespaces": found, "exit_code": 1 if any(found.values()) else 0}

    return _with_memory(context, work, create=False)


def reindex(context: Context, name: str | None = None) -> dict[str, Any]:
    async def work(memory: Memory) -> dict[str, Any]:
        names = (name,) if name else await memory.names()
        return {one: await memory.upkeep.reindex(name=one, cause=context.cause) for one in names}

    return _with_memory(context, work, create=True)


def move(context: Context, target: str, share: int = 0, name: str = "default") -> dict[str, Any]:
    async def work(memory: Memory) -> dict[str, Any]:
        stages = await memory.upkeep.move(target, share, name=name, cause=context.cause)
        return {"target": target, "share": share, "stages": [stage._asdict() for stage in stages]}

    return _with_memory(context, work, create=True)


def graph(
    context: Context,
    entity: str | None = None,
    depth: int = 2,
    name: str = "default",
    output: str = "tree",
) -> dict[str, Any]:
    from fairlead.errors import InvalidInputError
    from fairlead.memory.graph import to_cypher, to_dot, to_graphml

    if entity is None and output == "tree":
        raise InvalidInputError("a tree needs an ENTITY to start from.", remedy="Name one, or ask for --output themes.")

    async def work(memory: Memory) -> dict[str, Any]:
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
        text = writers[output](whole) if output in writers else ""
        return {
            "reached": reached,
            "relations": [
                [whole.entities[r.source].label, r.kind, whole.entities[r.target].label] for r in whole.relations
            ],
            "text": text,
        }

    return _with_memory(context, work, create=False)


# ── printing for a person ────────────────────────────────────────────────────────────────────────────────────


def _show_hits(value: dict[str, Any], out: Output) -> None:
    if not value["hits"]:
        out.line(f"nothing is remembered about {value['query']!r}")
    for hit in value["hits"]:
        why = ", ".join(f"{term} {share:.2f}" for term, share in hit["why"].items())
        out.line(f"{hit['score']:.3f}  {hit['id']}  {hit['source'] or '-'}  ({why})")
        out.line(f"       {_one_line(hit['entry']['content'])}")


def _show_entry(value: dict[str, Any], out: Output) -> None:
    for field in ("id", "namespace", "content_type", "source", "tags", "metadata", "key", "version", "expires"):
        if value[field] not in (None, "", [], {}):
            out.line(f"{field:<13} {value[field]}")
    out.line()
    out.line(value["content"])


def _show_entries(value: list[dict[str, Any]], out: Output) -> None:
    for entry in value:
        out.line(f"{entry['id']}  {entry['content_type']:<10} {entry['source'] or '-'}")
        out.line(f"       {_one_line(entry['content'])}")


def _show_count(value: dict[str, Any], out: Output) -> None:
    out.line(f"forgot {value['forgotten']} entries")


def _show_graph(value: dict[str, Any], out: Output) -> None:
    if "themes" in value:
        for theme in value["themes"]:
            out.line(", ".join(_one_line(label) for label in theme))
    elif value["text"]:
        out.line(value["text"])
    else:
        _show_tree(value["reached"], out)


def _show_tree(reached: list[dict[str, Any]], out: Output) -> None:
    below: dict[int | None, list[dict[str, Any]]] = {}
    for one in reached:
        below.setdefault(one["via"], []).append(one)

    def walk(parent: int | None, indent: str) -> None:
        members = below.get(parent, [])
        for one in members:
            last = one is members[-1]
            branch = "" if parent is None else ("└─ " if last else "├─ ")
            relation = f"{one['relation']} → " if one["relation"] else ""
            out.line(f"{indent}{branch}{_one_line(relation + one['label'])}  {one['nearness']:.2f}")
            walk(one["id"], indent + ("" if parent is None else ("   " if last else "│  ")))

    walk(None, "")


def _show_erasure(value: dict[str, Any], out: Output) -> None:
    out.line(f"erased {len(value['ids'])} entries; {'nothing is left' if value['complete'] else 'TRACES ARE LEFT'}")
    for table, count in value["rows"].items():
        if count:
            out.line(f"  {table}: {count} rows")
    for path in value["files"]:
        out.line(f"  still in {path}")
    for path in value["backups"]:
        out.line(f"  an older backup holds it: {path}")


def _show_verify(value: dict[str, Any], out: Output) -> None:
    for name, problems in value["namespaces"].items():
        out.line(f"{name}: {'sound' if not problems else ''}")
        for problem in problems:
            out.line(f"  {problem['kind']}: {problem['found']} (for example {', '.join(problem['examples']) or '-'})")
    if value["exit_code"]:
        out.line("`fairlead memory reindex` mends this from the entries.")


def _show_move(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['target']} now answers {value['share']} % of the questions")
    for stage in value["stages"]:
        out.line("  " + ", ".join(f"{key} {fact}" for key, fact in stage.items()))


def _show_facts(value: dict[str, Any], out: Output) -> None:
    out.line(", ".join(f"{key} {fact}" for key, fact in value.items()))


def _show_versions(value: list[dict[str, Any]], out: Output) -> None:
    for one in value:
        out.line(f"version {one['version']}, replaced by {one['cause']}: {_one_line(one['content'])}")


def _show_stats(value: list[dict[str, Any]], out: Output) -> None:
    for one in value:
        facts = ", ".join(f"{key} {fact}" for key, fact in one.items() if key != "namespace")
        out.line(f"{one['namespace']}: {facts}")


def _one_line(text: str, width: int = 110) -> str:
    flat = " ".join("".join(c if c.isprintable() else " " for c in text[: width * 4]).split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


VERBS: tuple[Verb, ...] = (
    Verb(
        "memory",
        "add",
        "remember a text",
        add,
        params=(
            Param("text", positional=True, required=True, help="the text; - reads it from standard input"),
            _NAME,
            Param("type", default="passage", help="what kind of content it is"),
            Param("source", help="where it comes from: a URI, path or run"),
            Param("tag", many=True, help="tags to find it by"),
            Param("key", help="name under which a later text replaces this one"),
            Param("ttl", "float", "seconds after which it is forgotten"),
            Param("metadata", "json", "facts about it, a JSON object"),
        ),
        show=_show_entry,
        examples=('fairlead memory add "Deploys freeze on Fridays." --source handbook.md --tag process',),
        aliases=("remember",),
        role="operator",
        changes=True,
    ),
    Verb(
        "memory",
        "recall",
        "find what answers a question, with reasons and sources",
        recall,
        params=(
            Param("query", positional=True, required=True, help="words or a question"),
            _NAME,
            Param("k", "int", "hits at most", default=10, aliases=("--limit",)),
            *_FILTERS,
            Param("min_score", "float", "leave out hits below this score", default=0.0),
        ),
        show=_show_hits,
        examples=('fairlead memory recall "when do deploys freeze"',),
        aliases=("search", "query"),
    ),
    Verb(
        "memory",
        "show",
        "show one entry",
        show,
        params=(Param("id", positional=True, required=True, help="an entry's id"), _NAME),
        show=_show_entry,
        aliases=("get",),
    ),
    Verb(
        "memory",
        "forget",
        "remove entries by id or by what they match",
        forget,
        params=(Param("id", positional=True, many=True, help="ids of entries"), _NAME, *_FILTERS),
        show=_show_count,
        aliases=("delete", "rm"),
        role="operator",
        changes=True,
    ),
    Verb(
        "memory",
        "list",
        "list entries, newest first",
        list_entries,
        params=(_NAME, Param("limit", "int", "entries at most", default=100), *_FILTERS),
        show=_show_entries,
        aliases=("ls",),
    ),
    Verb(
        "memory",
        "stats",
        "counts of each namespace",
        stats,
        params=(_ONE_NAME,),
        show=_show_stats,
    ),
    Verb(
        "memory",
        "versions",
        "what an entry was before it was changed",
        versions,
        params=(Param("id", positional=True, required=True, help="an entry's id"), _NAME),
        show=_show_versions,
    ),
    Verb(
        "memory",
        "erase",
        "remove entries for good, and prove it",
        erase,
        description="Overwrites where they stood and searches tables, indexes, tiers and files for what is left. "
        "Backups are named when they hold it, and not changed.",
        params=(Param("id", positional=True, many=True, help="ids of entries"), _NAME, *_FILTERS),
        show=_show_erasure,
        role="admin",
        changes=True,
    ),
    Verb(
        "memory",
        "export",
        "write all entries to a file, one JSON object a line",
        export,
        params=(
            Param("path", "path", "the file; without it a page of entries is the answer", positional=True),
            _NAME,
            Param("after", "int", "`next` of the page before", default=0),
            Param("limit", "int", "entries of a page", default=500),
        ),
        show=_show_facts,
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
        show=_show_facts,
        role="operator",
        changes=True,
    ),
    Verb(
        "memory",
        "verify",
        "compare every index with the entries",
        verify,
        params=(_ONE_NAME,),
        show=_show_verify,
    ),
    Verb(
        "memory",
        "reindex",
        "derive every index from the entries anew",
        reindex,
        params=(_ONE_NAME,),
        show=_show_facts,
        role="operator",
        changes=True,
    ),
    Verb(
        "memory",
        "move",
        "take a namespace's vectors to another index, by stages and while it serves",
        move,
        description="Share 0 fills the new index and puts every question to both, 10, 50 and 100 are the part that it "
        "answers. `embedded` is the way back, at once.",
        params=(
            Param("target", positional=True, required=True, help="embedded, qdrant or pgvector"),
            Param("share", "int", "percent of the questions: 0, 10, 50 or 100", default=0),
            _NAME,
        ),
        show=_show_move,
        examples=("fairlead memory move qdrant", "fairlead memory move qdrant --share 10"),
        role="admin",
        changes=True,
    ),
    Verb(
        "memory",
        "graph",
        "what lies around a named thing",
        graph,
        params=(
            Param("entity", positional=True, help="a name; without it the whole graph"),
            Param("depth", "int", "hops", default=2),
            _NAME,
            Param(
                "output", help="what to print", default="tree", choices=("tree", "dot", "graphml", "cypher", "themes")
            ),
        ),
        show=_show_graph,
        examples=("fairlead memory graph Fairlead --depth 2", "fairlead memory graph --output dot"),
    ),
)
