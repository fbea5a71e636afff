"""Answers of `memory`, printed for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.verbs.context import Output


def show_hits(value: dict[str, Any], out: Output) -> None:
    if not value["hits"]:
        out.line(f"nothing is remembered about {value['query']!r}")
    for hit in value["hits"]:
        why = ", ".join(f"{term} {share:.2f}" for term, share in hit["why"].items())
        out.line(f"{hit['score']:.3f}  {hit['id']}  {hit['source'] or '-'}  ({why})")
        out.line(f"       {_one_line(hit['entry']['content'])}")


def show_entry(value: dict[str, Any], out: Output) -> None:
    for field in ("id", "namespace", "content_type", "source", "tags", "metadata", "key", "version", "expires"):
        if value[field] not in (None, "", [], {}):
            out.line(f"{field:<13} {value[field]}")
    out.line()
    out.line(value["content"])


def show_entries(value: list[dict[str, Any]], out: Output) -> None:
    for entry in value:
        out.line(f"{entry['id']}  {entry['content_type']:<10} {entry['source'] or '-'}")
        out.line(f"       {_one_line(entry['content'])}")


def show_count(value: dict[str, Any], out: Output) -> None:
    out.line(f"forgot {value['forgotten']} entries")


def show_graph(value: dict[str, Any], out: Output) -> None:
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


def show_erasure(value: dict[str, Any], out: Output) -> None:
    out.line(f"erased {len(value['ids'])} entries; {'nothing is left' if value['complete'] else 'TRACES ARE LEFT'}")
    for table, count in value["rows"].items():
        if count:
            out.line(f"  {table}: {count} rows")
    for path in value["files"]:
        out.line(f"  still in {path}")
    for path in value["backups"]:
        out.line(f"  an older backup holds it: {path}")


def show_verify(value: dict[str, Any], out: Output) -> None:
    for name, problems in value["namespaces"].items():
        out.line(f"{name}: {'sound' if not problems else ''}")
        for problem in problems:
            out.line(f"  {problem['kind']}: {problem['found']} (for example {', '.join(problem['examples']) or '-'})")
    if value["exit_code"]:
        out.line("`fairlead memory reindex` mends this from the entries.")


def show_move(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['target']} now answers {value['share']} % of the questions")
    for stage in value["stages"]:
        out.line("  " + ", ".join(f"{key} {fact}" for key, fact in stage.items()))


def show_facts(value: dict[str, Any], out: Output) -> None:
    out.line(", ".join(f"{key} {fact}" for key, fact in value.items()))


def show_versions(value: list[dict[str, Any]], out: Output) -> None:
    for one in value:
        out.line(f"version {one['version']}, replaced by {one['cause']}: {_one_line(one['content'])}")


def show_stats(value: list[dict[str, Any]], out: Output) -> None:
    for one in value:
        facts = ", ".join(f"{key} {fact}" for key, fact in one.items() if key != "namespace")
        out.line(f"{one['namespace']}: {facts}")


def _one_line(text: str, width: int = 110) -> str:
    flat = " ".join("".join(c if c.isprintable() else " " for c in text[: width * 4]).split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
