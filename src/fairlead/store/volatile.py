"""A run store in memory: the same behaviour, nothing kept. For tests, scripts and speed without durability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fairlead.events import EVENT_VERSION, Draft, Event, EventBus
from fairlead.store.port import FINISHED, CommandRow, JournalRow, RunRow, check_columns

_MOST_EVENTS = 100_000


class VolatileRunStore:
    """Holds everything in dictionaries of one process and one event loop; keeps the last 100,000 events."""

    durable = False

    def __init__(self, bus: EventBus | None = None) -> None:
        self.bus = bus or EventBus()
        self._runs: dict[str, RunRow] = {}
        self._journals: dict[str, dict[str, JournalRow]] = {}
        self._commands: dict[str, CommandRow] = {}
        # Events as they came in, the last with index ``_last_index``: each gets its index when somebody asks for it.
        self._drafts: list[Draft] = []
        self._last_index = 0

    async def create(self, run: RunRow, *drafts: Draft, journal: Sequence[JournalRow] = ()) -> tuple[RunRow, bool]:
        if run.idempotency_key is not None:
            for earlier in self._runs.values():
                if (earlier.tenant, earlier.idempotency_key) == (run.tenant, run.idempotency_key):
                    return earlier, False
        self._runs[run.id] = run
        self._journals[run.id] = {row.key: row for row in journal}
        self.note(*drafts)
        return run, True

    async def get(self, run_id: str, tenant: str | None = None) -> RunRow | None:
        run = self._runs.get(run_id)
        return run if run is not None and tenant in (None, run.tenant) else None

    async def find(
        self,
        *,
        tenant: str | None,
        states: Sequence[str] = (),
        parent_id: str | None = None,
        name: str | None = None,
        prefix: str | None = None,
        limit: int = 50,
        before: float | None = None,
    ) -> list[RunRow]:
        found = [
            run
            for run in self._runs.values()
            if tenant in (None, run.tenant)
            and (not states or run.state in states)
            and parent_id in (None, run.parent_id)
            and name in (None, run.name)
            and (prefix is None or run.id.startswith(prefix))
            and (before is None or run.created < before)
        ]
        return sorted(found, key=lambda run: (run.created, run.id), reverse=True)[:limit]

    async def transition(
        self, run_id: str, expect: Sequence[str], to: str, *drafts: Draft, owner: str | None, **columns: Any
    ) -> bool:
        check_columns(columns)
        run = self._runs.get(run_id)
        if run is None or run.state not in expect or owner not in (None, run.owner):
            return False
        self._runs[run_id] = run._replace(state=to, **columns)
        self.note(*drafts)
        return True

    async def update(self, run_id: str, *drafts: Draft, **columns: Any) -> None:
        check_columns(columns)
        if run_id in self._runs:
            self._runs[run_id] = self._runs[run_id]._replace(**columns)
        self.note(*drafts)

    async def claim(self, run_id: str, *drafts: Draft, owner: str, dead: str | None) -> RunRow | None:
        run = self._runs.get(run_id)
        if run is None or run.state in FINISHED or run.owner not in (None, dead):
            return None
        run = self._runs[run_id] = run._replace(owner=owner, attempt=run.attempt + 1)
        self.note(*drafts)
        return run

    def record(self, row: JournalRow, *drafts: Draft) -> None:
        rows = self._journals[row.run_id]
        earlier = rows.get(row.key)
        rows[row.key] = row if earlier is None else row._replace(started=earlier.started)
        self.note(*drafts)

    def note(self, *drafts: Draft) -> None:
        kept = self._drafts
        kept += drafts
        first, self._last_index = self._last_index + 1, self._last_index + len(drafts)
        if self.bus.listening:
            self.bus.publish([_event(d, first + n) for n, d in enumerate(drafts)])
        if len(kept) > 2 * _MOST_EVENTS:
            del kept[:-_MOST_EVENTS]

    async def append(self, *drafts: Draft) -> None:
        self.note(*drafts)

    async def erase(self, run_id: str, keys: Sequence[str], *drafts: Draft) -> None:
        for key in keys:
            self._journals[run_id].pop(key, None)
        self.note(*drafts)

    async def journal(self, run_id: str) -> list[JournalRow]:
        return sorted(self._journals.get(run_id, {}).values(), key=lambda row: (row.started, row.key))

    async def events(
        self,
        *,
        after: int = 0,
        tenant: str | None = None,
        subject: str | None = None,
        types: Sequence[str] = (),
        limit: int = 1000,
        newest: bool = False,
    ) -> list[Event]:
        dropped = self._last_index - len(self._drafts)
        found = [
            _event(d, index)
            for index, d in enumerate(self._drafts[max(0, after - dropped) :], max(after, dropped) + 1)
            if tenant in (None, d.tenant) and subject in (None, d.subject) and (not types or d.type in types)
        ]
        return found[-limit:] if newest else found[:limit]

    async def post(self, command: CommandRow, *drafts: Draft, **columns: Any) -> None:
        self._commands[command.id] = command
        await self.update(command.run_id, *drafts, **columns)

    async def waiting_commands(self, run_ids: Sequence[str]) -> list[CommandRow]:
        waiting = [c for c in self._commands.values() if c.answered is None and c.run_id in run_ids]
        return sorted(waiting, key=lambda c: (c.created, c.id))

    async def answer(self, command_id: str, *, accepted: bool, answer: str, time: float) -> None:
        command = self._commands[command_id]
        if command.answered is None:
            self._commands[command_id] = command._replace(answered=time, accepted=int(accepted), answer=answer)

    async def command(self, command_id: str) -> CommandRow | None:
        return self._commands.get(command_id)

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        # No other process can reach this memory, so there is never anything to report.
        return lambda: None

    def close(self) -> None:
        """Nothing is held open."""


def _event(d: Draft, index: int) -> Event:
    return Event(d[0], index, d[1], d[2], d[3], d[4], d[5], d[6], d[7], EVENT_VERSION)
