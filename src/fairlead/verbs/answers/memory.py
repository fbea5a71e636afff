"""What the verbs of memory, and questions to it, answer. Times are seconds since the epoch, UTC."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class Entry(TypedDict):
    """Something remembered, with where it came from."""

    id: str
    namespace: str
    content: str
    content_type: str
    source: str
    span: Any
    tags: list[str]
    metadata: dict[str, Any]
    key: str | None
    success_score: float
    usage_count: int
    last_used: float | None
    created: float
    updated: float
    expires: float | None
    version: int
    address: str


class Hit(TypedDict):
    """An entry that fits a query. ``why`` says what each sign added to the score."""

    id: str
    score: float
    why: dict[str, float]
    source: str
    span: Any
    offsets: list[list[int]]
    entry: Entry


class Recalled(TypedDict):
    query: str
    hits: list[Hit]


class Statement(TypedDict):
    """A sentence of a source that answers, with its place there."""

    text: str
    source: str
    start_char: int
    end_char: int
    score: float
    title: NotRequired[str]
    heading: NotRequired[str]
    speaker: NotRequired[str]
    start_s: NotRequired[float]


class Asked(TypedDict):
    """``reason`` says why there is no answer."""

    question: str
    answered: bool
    statements: list[Statement]
    reason: str


class Forgotten(TypedDict):
    forgotten: int


class Counts(TypedDict):
    namespace: str
    entries: int
    expired: int
    words: int
    versions: int
    vectors: int
    model: str | None
    entities: int
    relations: int
    tombstones: int
    changes: int


class Verified(TypedDict):
    """Each namespace with its problems."""

    namespaces: dict[str, list[dict[str, Any]]]
    exit_code: int


class Erased(TypedDict):
    """What was erased where. ``complete`` is false when something is left that only a person can remove."""

    ids: list[str]
    rows: dict[str, int]
    recalled: int
    answers_dropped: int
    files: list[str]
    backups: list[str]
    complete: bool
    exit_code: int


class Moving(TypedDict):
    target: str
    share: int
    stages: list[dict[str, Any]]


class Reached(TypedDict):
    """An entity that was reached, ``via`` another one."""

    id: int
    label: str
    nearness: float
    hops: int
    via: int | None
    relation: str


class Neighbourhood(TypedDict):
    """Entities around one, the relations as ``[from, kind, to]``, and the drawing that was asked for."""

    reached: list[Reached]
    relations: list[list[str]]
    text: str


class Themes(TypedDict):
    themes: list[list[str]]


class Exported(TypedDict):
    """An entry as it is exported, with what it states of the graph; ``cursor`` is where to go on."""

    content: str
    content_type: str
    source: str
    span: Any
    tags: list[str]
    metadata: dict[str, Any]
    key: str | None
    success_score: float
    usage_count: int
    last_used: float | None
    created: float
    updated: float
    expires: float | None
    entities: list[str]
    relations: list[list[str]]
    cursor: int


class Exports(TypedDict):
    items: list[Exported]
    has_more: bool
    next: int | None


class Imported(TypedDict):
    """``erased`` counts those left out because they had been erased here."""

    taken: int
    erased: int


ANSWERS: dict[str, Any] = {
    "ask": Asked,
    "memory.add": Entry,
    "memory.recall": Recalled,
    "memory.show": Entry,
    "memory.list": list[Entry],
    "memory.versions": list[dict[str, Any]],
    "memory.stats": list[Counts],
    "memory.verify": Verified,
    "memory.forget": Forgotten,
    "memory.erase": Erased,
    "memory.reindex": dict[str, int],
    "memory.move": Moving,
    "memory.export": Exports,
    "memory.import": Imported,
    "memory.graph": Neighbourhood | Themes,
}
