"""Verbs of content: ingest, analyse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.pipeline.analysis.labels import Trained
    from fairlead.pipeline.analysis.names import Tagger
    from fairlead.verbs.context import Context, Output


def analyse(
    context: Context,
    path: Iterable[str],
    output: str | None = None,
    focus: Iterable[str] | None = None,
    redact: bool = False,
    abstractive: bool = False,
    model: str = "auto",
    names: str = "words",
    labels: str | None = None,
    arguments: str | None = None,
) -> dict[str, Any]:
    """Reads and analyses without storing anything; ``documents`` holds what was found in each.

    With ``abstractive`` a language model retells the brief, and the call is accounted like any other.
    """
    import sys

    from fairlead.errors import InvalidInputError
    from fairlead.pipeline import steps
    from fairlead.pipeline.documents import short_id

    documents: list[dict[str, Any]] = []
    files = [name for name in path if name != "-"]
    if "-" in path:
        documents.append(_read_stream(sys.stdin.buffer.read(20_000_001), short_id("doc", "-")))
    if files:
        documents += [steps.parse_document(ref) for ref in steps.discover_documents(files)]
    if not documents:
        raise InvalidInputError(
            "there is nothing to read.", remedy="Give a file, a folder with documents, or -.", field="path"
        )
    if redact:
        documents = [steps.redact_document(document) for document in documents]
    tagger = _tagger(context) if names == "minilm" else None
    trained = _trained(labels, arguments)
    analyses = [steps.analyse_document(document, tagger=tagger, trained=trained) for document in documents]
    answer: dict[str, Any] = {"documents": [_public(analysis) for analysis in analyses]}
    if output or abstractive:
        brief = steps.compose_brief(analyses, focus=list(focus or ()))
        if abstractive:
            answer["abstract"] = brief["abstract"] = _retold(context, brief, model)
        if output:
            answer["written"] = steps.write_outputs(brief, output)
    return answer


def _trained(labels: str | None, arguments: str | None) -> Trained:
    from pathlib import Path

    from fairlead.pipeline.analysis.labels import Trained

    if not labels and not arguments:
        return Trained()
    from fairlead.pipeline.classify import Classifier

    return Trained(*(Classifier.load(Path(path)) if path else None for path in (labels, arguments)))


def _retold(context: Context, brief: dict[str, Any], model: str) -> dict[str, Any]:
    import asyncio

    from fairlead.pipeline.abstract import asking, retell
    from fairlead.tenancy import use_tenant

    lead = context.open(create=True)

    async def work() -> dict[str, Any]:
        try:
            return await retell(brief, asking(lead.gateway, model))
        finally:
            await lead.gateway.close()

    try:
        with use_tenant(context.tenant):
            return asyncio.run(work())
    finally:
        lead.database.close()


def _tagger(context: Context) -> Tagger:
    from fairlead.pipeline.analysis.names_encoded import EncodedTagger

    return EncodedTagger(context.settings.home / "models")


def _read_stream(data: bytes, identity: str) -> dict[str, Any]:
    from fairlead.errors import RefusedError
    from fairlead.pipeline.parsing import parse_bytes
    from fairlead.pipeline.sources import DocumentRef

    ref = DocumentRef(identity, "Standard input", "text", origin="stdin", bytes=len(data))
    try:
        return parse_bytes(ref, data, "text").to_dict()
    except RefusedError as exc:
        return {"id": identity, "title": ref.title, "kind": "text", "source": "stdin", "error": exc.message}


_INNER = frozenset({"blocks", "sketch", "statements"})
"""What an analysis carries for the brief and nobody reads."""


def _public(analysis: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in analysis.items() if key not in _INNER}


def show_analysis(value: dict[str, Any], out: Output) -> None:
    for document in value["documents"]:
        _show_document(document, out)
    told = value.get("abstract")
    if told:
        out.line("in other words")
        for sentence in told["sentences"]:
            out.line(f"  {sentence['text']}")
        for one in told["dropped"]:
            out.line(f"  left out: {one['text']} ({one['why']})")
    for form, path in value.get("written", {}).items():
        out.line(f"{form:10} {path}")


def _show_document(document: dict[str, Any], out: Output) -> None:
    out.line(document["title"])
    if document.get("error"):
        out.line(f"  not read: {document['error']}")
        out.line()
        return
    counts = document["counts"]
    language = document["language"] or "language not known"
    out.line(f"  {document['kind']} · {counts['words']:,} words · {counts['sentences']:,} sentences · {language}")
    for warning in document["warnings"]:
        out.line(f"  note: {warning}")
    for title, lines in (
        ("summary", [s["text"] for s in document["summary"]]),
        ("key phrases", [", ".join(p["phrase"] for p in document["key_phrases"][:12])]),
        ("names", [", ".join(f"{e['name']} ({e['type']})" for e in document["entities"][:12])]),
        ("speakers", [f"{v['name']}: {v['share']:.0%} of the words" for v in document["voices"]]),
        ("claims worth checking", [c["text"] for c in document["claims"][:5]]),
        ("labels", [", ".join(_distinct(found["label"] for found in document["labels"]))]),
        ("tone", [_tone(document["sentiment"])]),
        ("questions", [f"{q['text']} ({q['label']})" for q in document["questions"][:4]]),
        ("arguments to look at twice", [f"{f['text']} ({f['label']})" for f in document["fallacies"][:4]]),
        ("dates", [", ".join(_distinct(d["value"] for d in document["dates"])[:10])]),
        ("quantities", [", ".join(_distinct(q["text"] for q in document["quantities"])[:10])]),
    ):
        shown = [line for line in lines if line]
        if shown:
            out.line(f"  {title}")
            for line in shown:
                out.line(f"    {line}")
    out.line()


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _tone(sentiment: dict[str, Any]) -> str:
    return f"{sentiment['label']} (score {sentiment['score']:+.2f})" if sentiment else ""


def ingest(
    context: Context,
    inputs: list[str],
    tags: list[str] | None = None,
    source: str = "",
    name: str | None = None,
    redact: bool = False,
    overlap: int = 0,
    limit: int | None = None,
    priority: str = "medium",
    wait: bool = True,
    progress: bool = False,
    processes: int | None = None,
) -> Any:
    from fairlead.verbs.taking_in import ingest_here

    words = [tag for word in tags or () for tag in word.split(",") if tag.strip()]
    options = {
        "tags": words,
        "source": source,
        "name": name,
        "redact": redact,
        "overlap": overlap,
        "limit": limit,
        "priority": priority,
    }
    return ingest_here(context, inputs, options, wait=wait, progress=progress, processes=processes)


def show_ingest(value: dict[str, Any], out: Output) -> None:
    from fairlead.verbs.taking_in import print_taken_in

    print_taken_in(value, out)


VERBS: tuple[Verb, ...] = (
    Verb(
        "",
        "ingest",
        "take sources in: read, understand and remember them",
        ingest,
        params=(
            Param(
                "inputs",
                "path",
                "URLs, files and folders; - reads standard input",
                positional=True,
                required=True,
                many=True,
            ),
            Param(
                "tags",
                "str",
                "tags of what is remembered, also with commas between them",
                many=True,
                aliases=("-t", "--tag"),
            ),
            Param("source", "str", "the source that has to take it, where several could"),
            Param("name", "str", "collection in memory; `content` unless stated"),
            Param("redact", "bool", "take out e-mail addresses, telephone numbers, cards and keys first"),
            Param("overlap", "int", "sentences, up to two, that a passage shares with the one before", default=0),
            Param("limit", "int", "newest items of a channel or feed"),
            Param(
                "priority", "str", "what is done first", default="medium", choices=("low", "medium", "high", "critical")
            ),
            Param("wait", "bool", "carry it out here and now; --no-wait only puts it into the queue", default=True),
            Param("progress", "bool", "also tell how far it is, with --json one line each time"),
            Param("processes", "int", "processes for analysis; as many as there are cores unless stated"),
        ),
        show=show_ingest,
        description=(
            "Each source becomes a durable job: what was accepted survives a crash and is stored once. A source that "
            "says what it said before is not written again; one that changed replaces its own passages only."
        ),
        examples=(
            "fairlead ingest talks/ --tags talks",
            "fairlead ingest https://example.org/post --workspace research",
            "cat letter.txt | fairlead ingest -",
        ),
        role="operator",
        changes=True,
    ),
    Verb(
        "",
        "analyse",
        "read files and say what is in them, without storing anything",
        analyse,
        params=(
            Param(
                "path",
                "path",
                "files and folders; - reads text from standard input",
                positional=True,
                required=True,
                many=True,
            ),
            Param("output", "path", "also write a brief over all of them into this folder", aliases=("-o",)),
            Param("focus", "str", "a term that the brief gives weight to", many=True),
            Param("redact", "bool", "take out e-mail addresses, telephone numbers, cards and keys first"),
            Param("labels", "path", "a model of `classifier train` that labels each segment"),
            Param("arguments", "path", "a model of `classifier train` that tells fallacies, and `none`, apart"),
            Param("abstractive", "bool", "let a language model retell the findings, and check what it says"),
            Param("model", "str", "the model that retells, as provider:model", default="auto"),
            Param(
                "names",
                "str",
                "what finds names: the tagger of words, or the better and slower one of the extra `embeddings`",
                choices=("words", "minilm"),
                default="words",
            ),
        ),
        show=show_analysis,
        description="Reads .txt .md .rst .html .json .csv .vtt .srt .pdf .docx. Findings have offsets in that text.",
        examples=(
            "fairlead analyse talk.vtt",
            "fairlead analyse notes/ --output brief --focus budget",
            "fairlead analyse - --json",
        ),
        aliases=("analyze",),
    ),
)
