"""Rows of what was taken in, the provenance of every change, and the watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from orjson import dumps, loads

from fairlead.store.database import Reader, Transaction
from fairlead.store.memory import Selection, open_scope
from fairlead.tenancy import Tenant


class ItemRow(NamedTuple):
    """What memory holds of one source in one collection, as it was last understood."""

    tenant: str
    collection: str
    source: str
    title: str
    kind: str
    language: str
    checksum: str
    fingerprint: str
    tags: tuple[str, ...]
    record: Mapping[str, Any]
    words: int
    passages: int
    created: float
    changed: float
    seen: float


class ProvenanceRow(NamedTuple):
    """One change of what memory holds of a source: from which bytes, by which job."""

    id: str
    tenant: str
    collection: str
    source: str
    checksum: str
    job: str
    added: int
    kept: int
    removed: int
    at: float


class WatchRow(NamedTuple):
    """A watched address, where the next look begins, and how the last ones went."""

    id: str
    tenant: str
    source: str
    address: str
    label: str
    tags: tuple[str, ...]
    options: Mapping[str, Any]
    interval: float
    cursor: str
    last_seen: str
    etag: str
    last_modified: str
    next_at: float
    checked_at: float | None
    failure_count: int
    backoff_until: float | None
    error: str | None
    found: int
    cause: str
    created: float


_ITEM = ", ".join(ItemRow._fields)
_PROVENANCE = ", ".join(ProvenanceRow._fields)
_WATCH = ", ".join(WatchRow._fields)
_KEPT = ("tenant", "collection", "source", "created")
_PUT_ITEM = (
    f"INSERT INTO pipeline_items ({_ITEM}) VALUES ({', '.join('?' * len(ItemRow._fields))}) "
    "ON CONFLICT (tenant, collection, source) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in ItemRow._fields if name not in _KEPT)
)


def item_of(reader: Reader, tenant: str, collection: str, source: str) -> ItemRow | None:
    sql = f"SELECT {_ITEM} FROM pipeline_items WHERE tenant = ? AND collection = ? AND source = ?"
    row = reader.one(sql, (tenant, collection, source))
    return None if row is None else _item(row)


def items_of(reader: Reader, tenant: str, collection: str | None = None, limit: int = 1000) -> list[ItemRow]:
    """The latest changed first."""
    own, values = ("", ()) if collection is None else ("AND collection = ?", (collection,))
    sql = f"SELECT {_ITEM} FROM pipeline_items WHERE tenant = ? {own} ORDER BY changed DESC, source LIMIT ?"
    return [_item(row) for row in reader.rows(sql, (tenant, *values, limit))]


def passages_held(reader: Reader, tenant: Tenant, collection: str, source: str, now: float) -> int:
    """How many entries memory has of a source."""
    scope = open_scope(reader, tenant, collection)
    return 0 if scope is None else len(scope.selected_numbers(Selection(sources=(source,)), now))


def put_item(tx: Transaction, row: ItemRow) -> None:
    """Stores what is held of a source now; when it was first taken in stays."""
    tx.execute(_PUT_ITEM, [_stored(value) for value in row])


def touch_item(tx: Transaction, row: ItemRow, now: float) -> None:
    """Notes that the source was read again and says what it said."""
    sql = "UPDATE pipeline_items SET seen = ? WHERE tenant = ? AND collection = ? AND source = ?"
    tx.execute(sql, (now, row.tenant, row.collection, row.source))


def add_provenance(tx: Transaction, row: ProvenanceRow) -> None:
    marks = ", ".join("?" * len(row))
    tx.execute(f"INSERT INTO pipeline_provenance ({_PROVENANCE}) VALUES ({marks})", row)


def provenance_of(reader: Reader, tenant: str, collection: str, source: str) -> list[ProvenanceRow]:
    """Every change, oldest first."""
    sql = (
        f"SELECT {_PROVENANCE} FROM pipeline_provenance WHERE tenant = ? AND collection = ? AND source = ? ORDER BY id"
    )
    return [ProvenanceRow._make(row) for row in reader.rows(sql, (tenant, collection, source))]


# ── watches ──────────────────────────────────────────────────────────────────────────────────────────────────


def add_watch(tx: Transaction, row: WatchRow) -> WatchRow:
    """Stores the watch, or returns the one of the same address."""
    there = tx.one(f"SELECT {_WATCH} FROM pipeline_watches WHERE tenant = ? AND address = ?", (row.tenant, row.address))
    if there is not None:
        return _watch(there)
    marks = ", ".join("?" * len(row))
    tx.execute(f"INSERT INTO pipeline_watches ({_WATCH}) VALUES ({marks})", [_stored(value) for value in row])
    return row


def watches_of(reader: Reader, tenant: str) -> list[WatchRow]:
    rows = reader.rows(f"SELECT {_WATCH} FROM pipeline_watches WHERE tenant = ? ORDER BY id", (tenant,))
    return [_watch(row) for row in rows]


def due_watches(reader: Reader, tenant: str | None, now: float, limit: int) -> list[WatchRow]:
    """Those whose time has come, the longest waiting first."""
    own, values = ("", ()) if tenant is None else ("AND tenant = ?", (tenant,))
    sql = f"SELECT {_WATCH} FROM pipeline_watches WHERE next_at <= ? {own} ORDER BY next_at, id LIMIT ?"
    return [_watch(row) for row in reader.rows(sql, (now, *values, limit))]


def next_watch(reader: Reader, tenant: str | None) -> float | None:
    own, values = ("", ()) if tenant is None else ("WHERE tenant = ?", (tenant,))
    row = reader.one(f"SELECT min(next_at) FROM pipeline_watches {own}", values)
    return None if row is None or row[0] is None else float(row[0])


def take_watch(tx: Transaction, row: WatchRow, next_at: float) -> bool:
    """Claims one look: False when another process took it, or the watch is gone."""
    sql = "UPDATE pipeline_watches SET next_at = ? WHERE id = ? AND tenant = ? AND next_at = ?"
    return tx.execute(sql, (next_at, row.id, row.tenant, row.next_at)) == 1


def set_watch(tx: Transaction, row: WatchRow, **columns: Any) -> bool:
    assignments = ", ".join(f"{name} = ?" for name in columns)
    sql = f"UPDATE pipeline_watches SET {assignments} WHERE id = ? AND tenant = ?"
    return tx.execute(sql, (*(_stored(v) for v in columns.values()), row.id, row.tenant)) == 1


def remove_watch(tx: Transaction, row: WatchRow) -> bool:
    return tx.execute("DELETE FROM pipeline_watches WHERE id = ? AND tenant = ?", (row.id, row.tenant)) == 1


def _stored(value: Any) -> Any:
    if isinstance(value, (Mapping, list, tuple)):
        return dumps(dict(value) if isinstance(value, Mapping) else list(value)).decode()
    return value


def _item(row: Sequence[Any]) -> ItemRow:
    item = ItemRow._make(row)
    return item._replace(tags=tuple(loads(str(item.tags))), record=loads(str(item.record)))


def _watch(row: Sequence[Any]) -> WatchRow:
    watch = WatchRow._make(row)
    return watch._replace(tags=tuple(loads(str(watch.tags))), options=loads(str(watch.options)))
