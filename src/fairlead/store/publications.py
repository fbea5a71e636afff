"""What was posted of a run, kept as events: a message is started, and completed or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from fairlead.events import Draft
from fairlead.store.database import Database, Transaction

STARTED, COMPLETED, REFUSED = "publication.started", "publication.completed", "publication.refused"
_BY_SUBJECT = "SELECT type, data FROM events WHERE subject = ? AND tenant = ? AND type IN (?, ?, ?) ORDER BY idx"
MakeDraft = Callable[[str, dict[str, Any]], Draft]


class SqlPublications:
    """The publications of one run of one tenant. ``make_draft`` makes an event about the run of a type and data."""

    def __init__(self, database: Database, tenant: str, run: str, make_draft: MakeDraft) -> None:
        self._database = database
        self._tenant = tenant
        self._run = run
        self._draft = make_draft

    def begin(self, digest: str, facts: Mapping[str, Any], *, again: bool) -> str:
        """See :class:`fairlead.pipeline.publish.discord.Publications`. Two that begin at once are told apart."""

        def unit(tx: Transaction) -> str:
            known = self._state(tx, digest)
            if known in (STARTED, COMPLETED) and not again:
                return known.rpartition(".")[2]
            tx.emit(self._draft(STARTED, {**facts, "digest": digest}))
            return ""

        return self._database.write_sync(unit)

    def end(self, digest: str, facts: Mapping[str, Any], *, posted: bool) -> None:
        event = self._draft(COMPLETED if posted else REFUSED, {**facts, "digest": digest})
        self._database.write_sync(lambda tx: tx.emit(event))

    def _state(self, tx: Transaction, digest: str) -> str:
        """The last that is known of a message; units of the same commit have their events in the transaction only."""
        rows = tx.rows(_BY_SUBJECT, (self._run, self._tenant, STARTED, COMPLETED, REFUSED))
        known = [str(row[0]) for row in rows if orjson.loads(row[1]).get("digest") == digest]
        known += [
            draft.type
            for draft in tx.drafts
            if (draft.subject, draft.tenant) == (self._run, self._tenant) and draft.data.get("digest") == digest
        ]
        return known[-1] if known else ""
