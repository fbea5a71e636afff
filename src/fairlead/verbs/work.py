"""The verb `work`: an agent does ready tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.verbs.opened import Opened
from fairlead.verbs.table import Noun, Param, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.tickets.work import RunAgent
    from fairlead.verbs.context import Context, Output


def work(
    context: Context,
    agent: str,
    limit: int | None = None,
    command: str | None = None,
    timeout: float | None = None,
    label: list[str] | None = None,
    lease: float | None = None,
) -> Iterator[dict[str, Any]]:
    from contextlib import ExitStack

    from fairlead.tickets import work as doing

    with Opened(context) as service, ExitStack() as stack:
        if command is not None:
            import shlex

            run = doing.command_runner(shlex.split(command), folder=service.board.place.root, timeout=timeout)
        else:
            run = stack.enter_context(_Runtime(context, agent))
        for done in doing.work(
            service,
            doing.claims_of(service),
            agent,
            run,
            clock=service.clock,
            limit=limit,
            lease=lease or doing.LEASE,
            label=label or (),
        ):
            yield {**done._asdict(), "exit_code": 0 if done.outcome in ("closed", "returned") else 1}


class _Runtime:
    """The runtime of the composed application on an event loop of its own, as a runner of agents by name."""

    def __init__(self, context: Context, agent: str) -> None:
        self._context = context
        self._agent = agent

    def __enter__(self) -> RunAgent:
        import asyncio
        import threading

        self._app: Any = self._context.open(create=True)
        try:
            # An agent that is unknown or cannot be given a ticket is refused before any ticket is taken.
            self._wanted = _inputs_of(self._app.agents.resolve(self._agent))
        except BaseException:
            self._app.database.close()
            raise
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fairlead-runtime", daemon=True)
        self._thread.start()
        self._orders: asyncio.Queue[Any] = asyncio.Queue()
        opened: asyncio.Future[None] = self._loop.create_future()
        # One task opens the application, serves it and closes it: its tenant is bound to the task that set it.
        self._serving = asyncio.run_coroutine_threadsafe(self._serve(opened), self._loop)
        asyncio.run_coroutine_threadsafe(_wait_for(opened), self._loop).result()
        return self._run

    async def _serve(self, opened: Any) -> None:
        try:
            async with self._app:
                opened.set_result(None)
                while (order := await self._orders.get()) is not None:
                    ticket, answer = order
                    try:
                        answer.set_result(await self._carry_out(ticket))
                    except Exception as exc:  # noqa: BLE001 - the fault belongs to whoever gave the order
                        answer.set_exception(exc)
        except BaseException as exc:
            if not opened.done():
                opened.set_exception(exc)
                return
            raise

    def _run(self, agent: str, ticket: Any) -> Any:
        from concurrent.futures import Future

        answer: Future[Any] = Future()
        self._loop.call_soon_threadsafe(self._orders.put_nowait, (ticket, answer))
        return answer.result()

    async def _carry_out(self, ticket: Any) -> Any:
        from fairlead.tickets.plain import as_data
        from fairlead.tickets.work import prompt_of

        prompt = prompt_of(ticket)
        offered = {"ticket": as_data(ticket), "prompt": prompt, "task": prompt}
        inputs = {name: offered[name] for name in self._wanted}
        handle = await self._app.start(self._agent, inputs, cause=f"ticket:{ticket.id}")
        result = await handle.result()
        result.metadata.setdefault("run", handle.id)
        return result

    def __exit__(self, *exc: object) -> None:
        try:
            self._loop.call_soon_threadsafe(self._orders.put_nowait, None)
            self._serving.result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


async def _wait_for(future: Any) -> None:
    await future


def _inputs_of(agent: Any) -> list[str]:
    """Which of ``ticket`` (its data), ``prompt`` and ``task`` (its text) an agent takes."""
    from fairlead.errors import InvalidInputError
    from fairlead.runtime.graph import REQUIRED

    inputs = agent.as_workflow().inputs
    wanted = [name for name in ("ticket", "prompt", "task") if name in inputs]
    other = [name for name, default in inputs.items() if default is REQUIRED and name not in wanted]
    if not wanted or other:
        raise InvalidInputError(
            f"agent {agent.name!r} cannot be given a ticket: it takes {', '.join(inputs) or 'nothing'}.",
            remedy="Choose one that takes `prompt`, `task` or `ticket`, or give a program with --command.",
            field="agent",
            value=agent.name,
        )
    return wanted


def print_done(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['ticket_id']:<10} {value['outcome']:<9} {value['seconds']:>7.1f} s  {value['title']}")
    if value["outcome"] != "closed":
        out.line(f"    {value['reason']}")


_TOP = Noun("")
VERBS: tuple[Verb, ...] = (
    _TOP.changes(
        "work",
        "an agent takes ready tickets, does them and writes back what came of it",
        work,
        Param("agent", "str", "name of the agent", required=True, aliases=("-a", "--as")),
        Param("limit", "int", "tickets at most", aliases=("-n",)),
        Param("command", "str", "do them with this program: the ticket is its standard input", aliases=("--cmd",)),
        Param("timeout", "float", "seconds that the program may take for one ticket"),
        Param("label", "str", "only tickets with all of these labels", many=True, aliases=("-l",)),
        Param("lease", "float", "seconds that a claim lasts without a heartbeat; 300 unless given"),
        show=print_done,
        description=(
            "Exit 0 of the program closes the ticket, 75 gives it back, anything else blocks it with the reason. A\n"
            "line is printed for each ticket. Without --command the agent is one that `fairlead agent list` shows."
        ),
        examples=("fairlead work --agent dev-1 --limit 3", 'fairlead work --agent dev-1 --command "my-agent --stdin"'),
    ),
)
