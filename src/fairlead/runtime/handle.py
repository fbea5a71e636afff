"""A run seen from outside: wait for it, listen to it, put a hand on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from fairlead.events import Event
from fairlead.result import StepResult
from fairlead.runtime.states import RunState

if TYPE_CHECKING:
    from fairlead.runtime.engine import Runtime

_ENDINGS = frozenset({"run.completed", "run.failed", "run.terminated"})
_RESTS = _ENDINGS | {"run.blocked", "run.checkpointed"}
_GOING_ON = ("run.started", "run.resumed", "run.recovered", "run.unblocked")


class RunHandle:
    """Refers to a run by id; cheap to make, valid in any process that has the store."""

    __slots__ = ("engine", "id")

    def __init__(self, engine: Runtime, run_id: str) -> None:
        self.engine = engine
        self.id = run_id

    def __repr__(self) -> str:
        return f"RunHandle({self.id})"

    async def state(self) -> RunState:
        """What it is now, as stored."""
        return RunState((await self.engine.require(self.id)).state)

    async def result(self) -> StepResult:
        """Waits for the end and returns the result. Cancelling the waiter does not touch the run.

        Raises :class:`~fairlead.errors.StopError` when this process had to let go of the run.
        """
        return await self.engine.wait(self.id)

    async def events(self, *, after: int = 0) -> AsyncIterator[Event]:
        """Every event of the run from ``after`` on, history first, then live; ends when the run ends.

        Give the index of the last event seen to go on where one left off: nothing is missed and nothing comes twice.
        """
        async for event in self._listen(after):
            yield event
            if event.type in _ENDINGS:
                return

    async def rest(self) -> Event:
        """Waits until the run ends, waits for a person, or is let go of; returns the event that says so.

        Rests that it has gone on from since are history and are passed over.
        """
        went_on = await self.engine.store.events(subject=self.id, types=_GOING_ON, newest=True, limit=1)
        async for event in self._listen(went_on[-1].index if went_on else 0):
            if event.type in _RESTS:
                return event
        raise AssertionError("the stream of a run's events has no end of its own")

    async def _listen(self, after: int) -> AsyncIterator[Event]:
        # What is heard only says that there is news. The history is read for it, so the order is that of the indexes
        # whichever thread or process wrote.
        news = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hear(event: Event) -> None:
            if event.subject == self.id:
                loop.call_soon_threadsafe(news.set)

        def look() -> None:
            loop.call_soon_threadsafe(news.set)

        unsubscribe = self.engine.store.bus.subscribe(hear)
        unwatch = self.engine.store.watch(look)
        last = after
        try:
            while True:
                news.clear()
                while page := await self.engine.store.events(after=last, subject=self.id, limit=500):
                    for event in page:
                        last = event.index
                        yield event
                await news.wait()
        finally:
            unsubscribe()
            unwatch()

    async def pause(self, cause: str = "caller") -> None:
        """Lets nothing new begin; what is in flight finishes."""
        await self.engine.control(self.id, "pause", cause=cause)

    async def resume(self, cause: str = "caller") -> None:
        """Goes on after a pause; takes the run up here when no process carries it out."""
        await self.engine.control(self.id, "resume", cause=cause)

    async def terminate(self, cause: str = "caller") -> None:
        """Stops it and its children now; what is in flight is cancelled."""
        await self.engine.control(self.id, "terminate", cause=cause)

    async def steer(self, message: str, cause: str = "caller") -> str:
        """Gives the run a message; returns the id that its receipt (``run.message_delivered``) will carry."""
        answer = await self.engine.control(self.id, "steer", {"message": message}, cause=cause)
        return str(answer["message_id"])

    async def change_model(self, model: str, cause: str = "caller") -> None:
        """Uses another model from the next request on."""
        await self.engine.control(self.id, "model", {"model": model}, cause=cause)

    async def change_permission_mode(self, mode: str, cause: str = "caller") -> None:
        """Changes how far it may act without asking, from the next action on."""
        await self.engine.control(self.id, "permissions", {"mode": mode}, cause=cause)

    async def run_command(self, command: str, cause: str = "caller") -> dict[str, Any]:
        """Runs an allowed program for the run and returns ``{exit_code, stdout, stderr}``."""
        return await self.engine.control(self.id, "command", {"command": command}, cause=cause)

    async def fork(self, **options: Any) -> RunHandle:
        """Begins a new run from what this one had finished; see :meth:`fairlead.runtime.Runtime.fork`."""
        return await self.engine.fork(self.id, **options)

    async def decide(self, key: str, word: str, value: Any = None, cause: str = "caller") -> None:
        """Settles what waits for a person: ``answer``, ``redo``, ``done`` (with the value) or ``fail``."""
        await self.engine.control(self.id, "decide", {"key": key, "word": word, "value": value}, cause=cause)
