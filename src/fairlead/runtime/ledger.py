"""One run's writing: journal rows with their events, and the ledger of effects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fairlead.clock import Clock
from fairlead.errors import EffectUnknownError
from fairlead.events import Draft, draft
from fairlead.result import StepResult
from fairlead.runtime.outcome import result_of_row, row_of_result
from fairlead.store.codec import PAYLOAD_VERSION, encode, settle, settle_volatile
from fairlead.store.port import JournalRow, RunRow, RunStore


class Ledger:
    """Writes what one run does. ``rows`` is its journal as known here; ``failed`` hears when a write nobody waits for
    is lost."""

    def __init__(
        self,
        store: RunStore,
        clock: Clock,
        run: RunRow,
        rows: dict[str, JournalRow],
        *,
        check_size: Callable[[bytes], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self.store = store
        self.clock = clock
        self.run = run
        self.rows = rows
        self._check_size = check_size
        self._failed = failed

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────

    def draft(self, type_: str, data: dict[str, Any], time: float) -> Draft:
        run = self.run
        return draft(type_, run.tenant, run.id, data, source="runtime", cause=run.cause, time=time)

    def note(self, type_: str, data: dict[str, Any], time: float | None = None) -> None:
        """An event that nobody waits for."""
        self.store.note(self.draft(type_, data, self.clock.now() if time is None else time))

    # ── steps and items ──────────────────────────────────────────────────────────────────────────────────────

    def settle_value(self, result: StepResult) -> bytes | None:
        """Makes the result what dependents will see; returns its encoded form when there is a journal to keep it."""
        if not self.store.durable:
            result.data = settle_volatile(result.data)
            return None
        result.data, data = settle(result.data)
        self._check_size(data)
        return data

    def record_unit(
        self,
        key: str,
        kind: str,
        result: StepResult,
        data: bytes | None,
        *,
        attempts: int,
        input_hash: str | None,
        started: float,
    ) -> Awaitable[None] | None:
        """Writes how a unit ended; what is returned, if anything, is awaited until it is durable."""
        finished = self.clock.now()
        row = row_of_result(
            self.run.id,
            key,
            kind,
            result,
            data,
            attempts=attempts,
            input_hash=input_hash,
            started=started,
            finished=finished,
        )
        facts: dict[str, Any] = {"step": key, "seconds": int((finished - started) * 1e6) / 1e6}
        if not result.success:
            type_ = "step.failed"
            facts |= {"error": result.error, "category": str(result.error_category), "attempts": attempts}
        elif result.skipped:
            type_ = "step.skipped"
            facts["reason"] = result.metadata.get("reason")
        else:
            type_ = "step.completed"
        return self.store.record(row, self.draft(type_, facts, finished))

    def record_verdict(self, key: str, verdict: str, result: StepResult) -> None:
        """Writes what dataflow decided about a node.

        Nothing waits for it: it follows from rows that are durable, and is worked out again when it is missing.
        """
        known = self.rows.get(key)
        if verdict == "expanded":
            if known is None:
                self.note("step.expanded", {"step": key, "items": result.data})
            return
        if known is not None and not (verdict == "joined" and known.status == "error"):
            return
        now = self.clock.now()
        kind = "fan" if verdict == "joined" else "step"
        attempts = 1 if verdict == "joined" else 0
        row = row_of_result(
            self.run.id, key, kind, result, None, attempts=attempts, input_hash=None, started=now, finished=now
        )
        facts: dict[str, Any] = {"step": key}
        if verdict == "joined":
            facts["items"] = len(result.data) if result.data is not None else None
        if not result.success:
            facts["error"] = result.error
        if verdict == "skipped":
            facts["reason"] = result.metadata["reason"]
        type_ = "step.failed" if not result.success else "step.skipped" if verdict == "skipped" else "step.completed"
        pending = self.store.record(row, self.draft(type_, facts, now))
        if pending is not None:
            self._mind(pending)

    def _mind(self, pending: Awaitable[None]) -> None:
        def look(future: asyncio.Future[None]) -> None:
            if not future.cancelled() and (exc := future.exception()) is not None:
                self._failed(exc)

        asyncio.ensure_future(pending).add_done_callback(look)

    # ── parts and effects ────────────────────────────────────────────────────────────────────────────────────

    def kept(self, key: str) -> StepResult | None:
        """The kept result of a finished part; :class:`EffectUnknownError` when it may or may not have happened."""
        row = self.rows.get(key)
        if row is None or row.status == "error":
            return None
        if row.status in ("started", "unknown"):
            raise EffectUnknownError(f"part {key!r} may have acted on the world when its process died", key=key)
        return result_of_row(row)

    async def record_start(self, key: str, kind: str, started: float) -> JournalRow:
        """The first half of the effect ledger: durable before the effect may happen."""
        row = JournalRow(
            self.run.id, key, kind, "started", 1, None, None, None, None, None, started, None, PAYLOAD_VERSION
        )
        pending = self.store.record(row)
        if pending is not None:
            await pending
        return row

    async def record_part_start(self, key: str, kind: str, started: float) -> None:
        # Also known here and not only in the store: when the step is cancelled by a timeout and tried again in this
        # process, nobody knows whether the part acted.
        self.rows[key] = await self.record_start(key, kind, started)

    async def forget_start(self, key: str) -> None:
        """The effect was refused before it happened, so a retry may try again."""
        self.rows.pop(key, None)
        await self.store.erase(self.run.id, [key])

    async def record_part(
        self,
        key: str,
        kind: str,
        value: Any,
        *,
        attempts: int,
        started: float,
        effect: bool = False,
        drafts: tuple[Draft, ...] = (),
    ) -> Any:
        """Writes a finished part and returns its value as it is kept; ``effect`` says that it acted on the world."""
        result = StepResult.ok(value, effect=True) if effect else StepResult.ok(value)
        data = self.settle_value(result)
        row = row_of_result(
            self.run.id,
            key,
            kind,
            result,
            data,
            attempts=attempts,
            input_hash=None,
            started=started,
            finished=self.clock.now(),
        )
        self.rows[key] = row if data is not None else row._replace(value=encode(result.data))
        pending = self.store.record(row, *drafts)
        if pending is not None:
            await pending
        return result.data
