"""The composition root: builds the parts from settings and is the only place that knows them all."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fairlead.clock import Clock, SystemClock
from fairlead.errors import NotFoundError
from fairlead.events import Event, EventBus
from fairlead.settings import Settings, load_settings
from fairlead.store import Database, open_database
from fairlead.store.runs import SqlRunStore
from fairlead.tenancy import Tenant, make_tenant, use_tenant

if TYPE_CHECKING:
    from fairlead.agents import AgentRegistry, AgentSpec
    from fairlead.agents.kept import KeptAgents
    from fairlead.breaker import BreakerPolicy
    from fairlead.gateway.gateway import Gateway
    from fairlead.memory import Memory
    from fairlead.pipeline.intake.intake import Intake
    from fairlead.result import StepResult
    from fairlead.runtime import Node, RunHandle, Runtime, StepContext, Unrecovered
    from fairlead.runtime.middleware import Middleware
    from fairlead.runtime.step import Invoke


class Fairlead:
    """An opened Fairlead: a store, a memory, agents, and (inside ``async with``) a runtime.

        async with fairlead.open(home="work") as lead:
            run = await lead.start("content-brief", {"paths": ["notes"]})
            result = await run.result()

    Entering takes up the runs that a dead process left behind; leaving lets go of what is in progress in an orderly
    way, so that it goes on the next time. Inside the block the settings' tenant is current.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        clock: Clock | None = None,
        middleware: Sequence[Middleware] = (),
        breaker: BreakerPolicy | None = None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock or SystemClock()
        self.store = SqlRunStore(database)
        self.recovered: list[RunHandle] = []
        self.unrecovered: list[Unrecovered] = []
        self._agents: AgentRegistry | None = None
        self._kept_agents: KeptAgents | None = None
        self._memory: Memory | None = None
        self._gateway: Gateway | None = None
        self._intake: Intake | None = None
        self._runtime: Runtime | None = None
        self._middleware = tuple(middleware)
        self._breaker = breaker
        self._stack = AsyncExitStack()

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        create: bool = True,
        middleware: Sequence[Middleware] = (),
        breaker: BreakerPolicy | None = None,
    ) -> Fairlead:
        """Opens the store. With ``create=False`` nothing on disk is made or changed by opening.

        ``middleware`` is put around the calls of steps, inside the built-in ones; ``breaker`` says when the breaker of
        an agent opens.
        """
        bus = EventBus()
        database = open_database(
            settings.database,
            bus=bus,
            durability=settings.durability,
            poll_interval=settings.poll_interval,
            create=create,
        )
        return cls(settings, database, middleware=middleware, breaker=breaker)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def bus(self) -> EventBus:
        return self.database.bus

    @property
    def tenant(self) -> Tenant:
        return make_tenant(self.settings.tenant, self.settings.workspace)

    @property
    def memory(self) -> Memory:
        if self._memory is None:
            from fairlead.memory import open_memory

            self._memory = open_memory(self.database, self.clock, self.settings, reranker=self._rerank)
        return self._memory

    async def _rerank(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        from fairlead.gateway.reranking import rerank

        return await rerank(self.gateway, question, texts)

    @property
    def gateway(self) -> Gateway:
        """Every model, routed, priced and budgeted. What a dead process had reserved is charged when it opens."""
        if self._gateway is None:
            from fairlead.gateway.opening import open_gateway

            self._gateway = open_gateway(self.settings, self.database, clock=self.clock)
            self._gateway.ledger.sweep()
        return self._gateway

    @property
    def intake(self) -> Intake:
        """What takes sources in: jobs, workers, uploads and watches."""
        if self._intake is None:
            from fairlead.pipeline.intake.intake import Intake
            from fairlead.pipeline.sources.opening import open_sources
            from fairlead.pipeline.sources.options import load_options

            home = self.settings.home
            sources = open_sources(load_options(home), self.clock)
            self._intake = Intake(self.database, self.memory, self.clock, home, sources)
        return self._intake

    @property
    def agents(self) -> AgentRegistry:
        """The registry: the built-in agents, those registered here, and those kept for the current tenant."""
        if self._agents is None:
            from fairlead.agents import AgentRegistry
            from fairlead.pipeline.agents import content_agents

            self._agents = AgentRegistry(self.kept_agents)
            for agent in content_agents(self.memory, self.settings.home, lambda: self.intake.sources):
                self._agents.register(agent)
        return self._agents

    @property
    def kept_agents(self) -> KeptAgents:
        """The agents that are kept in the store for the current tenant."""
        if self._kept_agents is None:
            from fairlead.agents.kept import KeptAgents

            self._kept_agents = KeptAgents(self.database, self.clock, self.make_agent)
        return self._kept_agents

    def make_agent(self, spec: AgentSpec) -> Any:
        """The language-model agent that a spec describes. Its requests go through the gateway.

        Its tools are agents that the program registered, by name, and functions of this machine as ``module:function``.
        """
        from fairlead.agents.llm import LlmAgent
        from fairlead.gateway import GatewayModel

        def resolve(name: str) -> Any:
            return GatewayModel(self.gateway, name)

        routed = spec if spec.model is not None else spec.model_copy(update={"model": "auto"})
        return LlmAgent.from_spec(routed, tools=[self._tool(name) for name in spec.tools], resolve=resolve)

    def _tool(self, name: str) -> Any:
        module, colon, attribute = name.partition(":")
        if colon:
            found = getattr(_import(module), attribute, None)
            if callable(found):
                return found
        elif self.agents.is_of_program(name):
            return self.agents.resolve(name)
        raise NotFoundError(
            f"there is no tool {name!r}.",
            remedy="Name an agent that the program registered, or a function as module:function.",
            tool=name,
        )

    @property
    def runtime(self) -> Runtime:
        if self._runtime is None:
            raise NotFoundError("Fairlead is not running here.", remedy="Use it inside `async with`.")
        return self._runtime

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Fairlead:
        await self.open_runtime(recover=True)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open_runtime(self, *, recover: bool) -> None:
        """Starts to carry out runs; with ``recover`` takes up at once what a dead process left running."""
        from fairlead.gateway.present import use_gateway
        from fairlead.runtime import BreakerPolicy, Runtime, RuntimeOptions

        settings = self.settings
        options = RuntimeOptions(
            max_concurrency=settings.max_concurrency,
            max_concurrency_per_agent=settings.max_concurrency_per_agent,
            adaptive=settings.adaptive_concurrency,
            shutdown_grace=settings.shutdown_grace,
            max_result_bytes=settings.max_result_bytes,
            command_allow=settings.command_allow,
            breaker=self._breaker or BreakerPolicy(),
        )
        runtime = Runtime(
            self.store,
            options=options,
            owners=settings.home / "owners",
            resolve=lambda name: self.agents.resolve(name),
            clock=self.clock,
            middleware=(AttributedCalls(lambda: self.gateway), *self._middleware),
        )
        self._stack.enter_context(use_tenant(self.tenant))
        self._stack.enter_context(use_gateway(lambda: self.gateway))
        self._runtime = await runtime.open()
        if recover:
            await self.recover()

    async def recover(self) -> None:
        """Takes up what dead processes left running; ``recovered`` and ``unrecovered`` say what came of it."""
        self.recovered, self.unrecovered = await self.runtime.recover()

    async def close(self, cause: str = "closed") -> list[str]:
        """Lets go of every run in an orderly way, closes the store, and returns the ids of these runs."""
        released: list[str] = []
        if self._runtime is not None:
            released = await self._runtime.close(cause)
            self._runtime = None
        if self._gateway is not None:
            await self._gateway.close()
            self._gateway = None
        if self._intake is not None:
            await self._intake.close()
            self._intake = None
        await self._stack.aclose()
        await asyncio.to_thread(self.database.close)
        return released

    def register(self, *targets: Any) -> None:
        """Makes agents and workflows known by name, so that runs of them can be resumed in a new process."""
        for target in targets:
            as_workflow = getattr(target, "as_workflow", None)
            if hasattr(target, "spec") and callable(target):
                self.agents.register(target)
            else:
                self.runtime.register(as_workflow() if as_workflow else target)

    def load(self, place: str) -> list[str]:
        """Registers the agents and workflows that a Python module or file defines; returns their names.

        ``place`` is a dotted module name or the path of a ``.py`` file. Its code runs with the rights of this process.
        """
        found = [
            value
            for value in vars(_import(place)).values()
            if not isinstance(value, type) and (hasattr(value, "as_workflow") or _is_workflow(value))
        ]
        if not found:
            raise NotFoundError(
                f"{place!r} defines no agent, flow or workflow.",
                remedy="Define them at the top of the module, for example with @fairlead.agent(...).",
                place=place,
            )
        self.register(*found)
        return [value.name for value in found]

    def find_workflow(self, target: Any) -> Any:
        """A registered or shipped workflow, or the registered agent, for a name; anything else as it is."""
        if not isinstance(target, str):
            return target
        from fairlead.runtime.spec import load_template, template_names

        if self._runtime is not None and target in self._runtime.plans.workflows:
            return self._runtime.plans.workflows[target]
        if target in template_names():
            return load_template(target)
        if target in self.agents:
            return self.agents.resolve(target)
        known = [*template_names(), *(a.name for a in self.agents)]
        raise NotFoundError(
            f"there is no workflow or agent {target!r}.",
            remedy=f"Known: {', '.join(known)}. A file is given by its path, for example ./{target}.yaml.",
            target=target,
        )

    async def start(self, target: Any, inputs: Mapping[str, Any] | None = None, **options: Any) -> RunHandle:
        """Accepts a run durably and begins it; see :meth:`fairlead.runtime.Runtime.start`."""
        return await self.runtime.start(self.find_workflow(target), inputs, **options)

    def run(self, run_id: str) -> RunHandle:
        """The handle of a known run."""
        from fairlead.runtime import RunHandle

        return RunHandle(self.runtime, run_id)

    async def events(self, *, after: int = 0) -> AsyncIterator[Event]:
        """Every event of the tenant from ``after`` on, history first, then live, without end."""
        queue: asyncio.Queue[None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def look() -> None:
            loop.call_soon_threadsafe(queue.put_nowait, None)

        stop = [self.bus.subscribe(lambda event: look()), self.database.watch(look)]
        last = after
        try:
            while True:
                while page := await self.store.events(after=last, tenant=str(self.tenant), limit=500):
                    for event in page:
                        last = event.index
                        yield event
                await queue.get()
                while not queue.empty():
                    queue.get_nowait()
        finally:
            for end in stop:
                end()


def _is_workflow(value: Any) -> bool:
    from fairlead.runtime import Workflow

    return isinstance(value, Workflow)


def _import(place: str) -> ModuleType:
    from importlib import import_module, util

    path = Path(place)
    try:
        if path.suffix != ".py":
            if str(Path.cwd()) not in sys.path:
                sys.path.insert(0, str(Path.cwd()))
            return import_module(place)
        found = util.spec_from_file_location(path.stem, path.resolve())
        if found is None or found.loader is None or not path.is_file():
            raise ModuleNotFoundError(f"there is no file {place!r}")
        module = util.module_from_spec(found)
        # Registered first, as an ordinary import does: functions are found again by their module's name.
        sys.modules[path.stem] = module
        found.loader.exec_module(module)
    except ImportError as exc:
        raise NotFoundError(
            f"{place!r} cannot be loaded: {exc}.", remedy="Give a module's dotted name or a .py file.", place=place
        ) from exc
    return module


class AttributedCalls:
    """Puts the gateway in force around every step and names run, step and agent, so that a model call within goes
    through it and is billed to them."""

    def __init__(self, gateway: Callable[[], Gateway]) -> None:
        self._gateway = gateway

    def wrap(self, node: Node, agent: str | None, call: Invoke) -> Invoke:
        from fairlead.gateway.attribution import attribute
        from fairlead.gateway.present import use_gateway

        async def invoke(step: StepContext) -> StepResult:
            with use_gateway(self._gateway), attribute(run=step.run_id, step=step.key, agent=agent or ""):
                return await call(step)

        return invoke


def open(  # noqa: A001 - read as `fairlead.open(...)`
    home: str | None = None,
    *,
    tenant: str | None = None,
    workspace: str | None = None,
    middleware: Sequence[Middleware] = (),
    breaker: BreakerPolicy | None = None,
    **settings: Any,
) -> Fairlead:
    """Opens Fairlead for use in ``async with``. Keyword arguments are settings; see the settings reference.

    ``middleware`` and ``breaker`` are objects and so no settings: see :meth:`Fairlead.from_settings`.
    """
    loaded = load_settings({"home": home, "tenant": tenant, "workspace": workspace, **settings})
    return Fairlead.from_settings(loaded, middleware=middleware, breaker=breaker)
