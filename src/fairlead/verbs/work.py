"""The verb `work`: an agent does ready tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.verbs.opened import Opened
from fairlead.verbs.table import Param, Verb

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
            # An unknown agent is refused before any ticket is taken.
            self._app.agents.resolve(self._agent)
        except BaseException:
            self._app.database.close()
            raise
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fairlead-runtime", daemon=True)
        self._thread.start()
        self._ask(self._app.__aenter__())
        return self._run

    def _ask(self, coroutine: Any) -> Any:
        import asyncio

        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _run(self, agent: str, ticket: Any) -> Any:
        return self._ask(self._carry_out(agent, ticket))

    async def _carry_out(self, agent: str, ticket: Any) -> Any:
        from fairlead.tenancy import use_tenant
        from fairlead.tickets.plain import as_data
        from fairlead.tickets.work import prompt_of

        workflow = self._app.find_workflow(agent)
        offered = {"ticket": as_data(ticket), "prompt": prompt_of(ticket), "task": prompt_of(ticket)}
        wanted = getattr(workflow.as_workflow() if hasattr(workflow, "as_workflow") else workflow, "inputs", {})
        inputs = {name: offered[name] for name in wanted if name in offered} or {"prompt": offered["prompt"]}
        with use_tenant(self._app.tenant):
            handle = await self._app.start(agent, inputs, cause=f"ticket:{ticket.id}")
            result = await handle.result()
        result.metadata.setdefault("run", handle.id)
        return result

    def __exit__(self, *exc: object) -> None:
        try:
            self._ask(self._app.__aexit__(*exc))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


def print_done(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['ticket_id']:<10} {value['outcome']:<9} {value['seconds']:>7.1f} s  {value['title']}")
    if value["outcome"] != "closed":
        out.line(f"    {value['reason']}")


VERBS: tuple[Verb, ...] = (
    Verb(
        "",
        "work",
        "an agent takes ready tickets, does them and writes back what came of it",
        work,
        params=(
            Param("agent", "str", "name of the agent", required=True, aliases=("-a", "--as")),
            Param("limit", "int", "tickets at most", aliases=("-n",)),
            Param("command", "str", "do them with this program: the ticket is its standard input", aliases=("--cmd",)),
            Param("timeout", "float", "seconds that the program may take for one ticket"),
            Param("label", "str", "only tickets with all of these labels", many=True, aliases=("-l",)),
            Param("lease", "float", "seconds that a claim lasts without a heartbeat; 300 unless given"),
        ),
        show=print_done,
        role="operator",
        changes=True,
        description=(
            "Exit 0 of the program closes the ticket, 75 gives it back, anything else blocks it with the reason. A\n"
            "line is printed for each ticket. Without --command the agent is one that `fairlead agent list` shows."
        ),
        examples=("fairlead work --agent dev-1 --limit 3", 'fairlead work --agent dev-1 --command "my-agent --stdin"'),
    ),
)
