"""What the router knows: each tenant's table of outcomes and, when one was trained, the difficulty model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.gateway.catalogue import ModelInfo
from fairlead.gateway.routing.posteriors import Posterior, posterior
from fairlead.store import gateway as rows
from fairlead.store.database import Database, Transaction

if TYPE_CHECKING:
    from fairlead.gateway.routing.difficulty import Difficulty

_FRESH = 30.0
"""Seconds for which a tenant's table is used before it is read again, because other processes learn too."""

_Table = dict[tuple[str, str], tuple[float, float]]


class Knowledge:
    """Posteriors per tenant, task type and model, and difficulty per prompt. Safe to use from any thread."""

    def __init__(self, database: Database, clock: Clock, difficulty_path: Path | None = None) -> None:
        self._database = database
        self._clock = clock
        self._path = difficulty_path
        self._tables: dict[str, tuple[float, _Table]] = {}
        self._difficulty: Difficulty | None = None

    def posterior(self, tenant: str, task_type: str, info: ModelInfo) -> Posterior:
        """The model's posterior for a kind of work; its outcomes in other work weigh a quarter."""
        table = self._table(tenant)
        wins, losses = table.get((task_type, info.id), (0.0, 0.0))
        all_wins, all_losses = table.get(("", info.id), (0.0, 0.0))
        # Few outcomes of other work should not outweigh what is known of this work, so they count as ten at most.
        others = all_wins + all_losses - wins - losses
        weight = min(0.25, 10 / others) if others > 0 else 0.0
        return posterior(info.prior, wins + weight * (all_wins - wins), losses + weight * (all_losses - losses))

    def shifts(self, prompt: str) -> Mapping[str, float]:
        """Log-odds by model id or tier; empty without a difficulty model."""
        difficulty = self._load()
        return difficulty.shifts(prompt) if difficulty is not None else {}

    def use(self, difficulty: Difficulty) -> None:
        """Puts a difficulty model in force, in place of the one on disk."""
        self._difficulty = difficulty

    async def report(self, tenant: str, request_id: str, quality: float) -> None:
        """Takes in how good the answer to a request was, 0 to 1: judged by a test, a gate or a person, later."""
        if not 0 <= quality <= 1:
            raise InvalidInputError(f"quality {quality!r} is not between 0 and 1.", field="quality", value=quality)
        now = self._clock.now()

        def unit(tx: Transaction) -> bool:
            found = rows.call_of_request(tx, tenant, request_id)
            if found is None:
                return False
            call_id, model, task_type = found
            rows.set_quality(tx, call_id, quality)
            rows.add_outcome(tx, tenant, task_type, model, quality, now)
            return True

        if not await self._database.write(unit):
            raise NotFoundError(
                f"no answered request {request_id!r} of this tenant.",
                remedy="Give the request_id of a response.",
                field="request_id",
                value=request_id,
            )
        self._tables.pop(tenant, None)

    def rejected(self, tenant: str, task_type: str, model: str) -> None:
        """Counts an answer that a verifier turned down as a loss."""
        now = self._clock.now()
        self._database.later(lambda tx: rows.add_outcome(tx, tenant, task_type, model, 0.0, now))

    def _table(self, tenant: str) -> _Table:
        now = self._clock.monotonic()
        read, table = self._tables.get(tenant, (0.0, None))
        if table is None or now - read > _FRESH:
            table = {}
            for task_type, model, wins, losses in self._database.read_sync(lambda r: rows.outcomes_of(r, tenant)):
                table[task_type, model] = (wins, losses)
                before = table.get(("", model), (0.0, 0.0))
                table["", model] = (before[0] + wins, before[1] + losses)
            self._tables[tenant] = (now, table)
        return table

    def _load(self) -> Difficulty | None:
        if self._difficulty is None and self._path is not None:
            path, self._path = self._path, None
            if path.is_file():
                from fairlead.gateway.routing.difficulty import load_difficulty

                self._difficulty = load_difficulty(path)
        return self._difficulty
