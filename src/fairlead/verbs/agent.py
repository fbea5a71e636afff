"""Verbs of `agent`: who can do what, agents registered as data, and many started at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.agents import AgentRegistry, AgentSpec
    from fairlead.app import Fairlead
    from fairlead.verbs.context import Context, Output


@contextmanager
def _opened(context: Context, *, create: bool) -> Iterator[Fairlead]:
    from fairlead.tenancy import use_tenant

    app = context.open(create=create)
    try:
        with use_tenant(context.tenant):
            yield app
    finally:
        app.database.close()


@contextmanager
def _registry(context: Context) -> Iterator[AgentRegistry]:
    from fairlead.agents import AgentRegistry
    from fairlead.pipeline.agents import content_agents

    def filled(registry: AgentRegistry) -> AgentRegistry:
        for agent in content_agents(None, context.settings.home):  # type: ignore[arg-type] # only their specs are used
            registry.register(agent)
        return registry

    if context.settings.database.exists():
        with _opened(context, create=False) as app:
            yield filled(AgentRegistry(app.kept_agents))
    else:
        yield filled(AgentRegistry())


def list_agents(context: Context, capability: str | None = None) -> dict[str, Any]:
    with _registry(context) as registry:
        found = registry.discover(capability) if capability else list(registry)
        items = [agent.spec.model_dump(mode="json", exclude_defaults=True) for agent in found]
    return {"items": items, "has_more": False}


def print_agents(value: dict[str, Any], out: Output) -> None:
    if not value["items"]:
        out.line("No agent fits.")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("name", "type", "capabilities", "what it does"):
        table.add_column(column, overflow="fold")
    for item in value["items"]:
        capabilities = ", ".join(c["name"] for c in item.get("capabilities", ()))
        table.add_row(item["name"], item.get("agent_type", "general"), capabilities, item.get("description", ""))
    out.print(table)


def show_agent(context: Context, agent: str) -> dict[str, Any]:
    with _registry(context) as registry:
        spec: dict[str, Any] = registry.resolve(agent).spec.model_dump(mode="json")
    return spec


# ── registering ──────────────────────────────────────────────────────────────────────────────────────────────────


def register(context: Context, file: str | None = None, spec: Any = None, replace: bool = False) -> dict[str, Any]:
    with _opened(context, create=True) as app:
        return register_in(app, spec_of(file, spec), cause=context.cause, replace=replace)


def spec_of(file: str | None, spec: Any) -> AgentSpec:
    """The spec in a file (``-`` is standard input), in YAML or JSON text, or given as an object."""
    from fairlead.agents.spec import load_agent_file, parse_agent, parse_agent_text
    from fairlead.errors import InvalidInputError

    if (file is None) == (spec is None):
        raise InvalidInputError(
            "register needs a file or a spec, and one of them.", remedy="Give the path of an agent file.", field="spec"
        )
    if file == "-":
        import sys

        return parse_agent_text(sys.stdin.read(), "standard input")
    if file is not None:
        from pathlib import Path

        return load_agent_file(Path(file))
    return parse_agent_text(spec, "spec") if isinstance(spec, str) else parse_agent(spec, "spec")


def register_in(app: Fairlead, spec: AgentSpec, *, cause: str, replace: bool) -> dict[str, Any]:
    """Keeps a spec for the current tenant, when its name is free and its tools exist."""
    from fairlead.errors import ConflictError
    from fairlead.runtime.spec import template_names

    if app.agents.is_of_program(spec.name) or spec.name in template_names():
        raise ConflictError(
            f"{spec.name!r} is an agent or workflow that is built in.",
            remedy="Choose another name.",
            field="name",
            value=spec.name,
        )
    if spec.tools:
        # Made once here, so that a tool that does not exist is refused now and not in the middle of a run.
        app.make_agent(spec)
    revision = app.kept_agents.register(spec, cause=cause, replace=replace)
    return {**spec.model_dump(mode="json"), "revision": revision}


def remove(context: Context, agent: str) -> dict[str, Any]:
    with _opened(context, create=True) as app:
        app.kept_agents.remove(agent, cause=context.cause)
    return {"removed": agent}


def print_registered(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['name']} is registered (revision {value['revision']}).")


# ── many at once ─────────────────────────────────────────────────────────────────────────────────────────────────


def spawn(
    context: Context,
    file: str | None = None,
    agents: Any = None,
    max_concurrency: int = 5,
    batch_size: int = 3,
    register: list[str] | None = None,
) -> dict[str, Any]:
    """Starts the agents of a plan and carries their runs out to their ends."""
    import asyncio

    from fairlead.agents.spawning import spawn_parallel

    wanted = {"agents": plan_of(file, agents), "maxConcurrency": max_concurrency, "batchSize": batch_size}

    async def carry_out() -> dict[str, Any]:
        async with context.open(create=True) as app:
            for place in register or ():
                app.load(place)

            async def start(target: str, inputs: Any) -> dict[str, Any]:
                return {"id": (await app.start(target, inputs, cause=context.cause)).id}

            answer = await spawn_parallel(wanted, start=start, registry=app.agents, clock=app.clock)
            for session in answer["sessions"]:
                if session["sessionId"] is not None:
                    result = await app.run(session["sessionId"]).result()
                    session |= {"success": result.success, "result": result.data, "error": result.error}
            ended_well = all(session.get("success") for session in answer["sessions"])
            return {**answer, "exit_code": 0 if ended_well else 1}

    return asyncio.run(carry_out())


def plan_of(file: str | None, agents: Any) -> Any:
    """The list of agents in a JSON file (``-`` is standard input), alone or as its ``agents``; or the list given."""
    import json

    from fairlead.errors import InvalidInputError

    if (file is None) == (agents is None):
        raise InvalidInputError(
            "spawn needs a file or a list of agents, and one of them.", remedy="Give one.", field="agents"
        )
    if file is None:
        return agents
    try:
        if file == "-":
            import sys

            found = json.load(sys.stdin)
        else:
            from pathlib import Path

            found = json.loads(Path(file).read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise InvalidInputError(f"{file} cannot be read: {exc}.", remedy="Give a JSON file.", field="file") from exc
    return found.get("agents") if isinstance(found, dict) else found


def print_spawned(value: dict[str, Any], out: Output) -> None:
    for session in value["sessions"]:
        end = session.get("error") or ("done" if session.get("success") else session["status"])
        out.line(f"{session['agentId']:<24} {session['sessionId'] or '-':<32} {end}")
    took = value["performance"]
    out.line(f"{value['agentsSpawned']} started in {took['totalTime']:.1f} ms")


_AGENT = Param("agent", "str", "name of the agent", positional=True, required=True)

VERBS: tuple[Verb, ...] = (
    Verb(
        "agent",
        "list",
        "the agents that are built in, and those that were registered",
        list_agents,
        params=(Param("capability", "str", "only those that can do this, the most confident first"),),
        show=print_agents,
        aliases=("ls", "discover"),
    ),
    Verb("agent", "show", "one agent's spec", show_agent, params=(_AGENT,)),
    Verb(
        "agent",
        "register",
        "keep a language-model agent that a file describes, for this tenant",
        register,
        params=(
            Param("file", "path", "agent file, YAML or JSON; `-` is standard input", positional=True),
            Param("spec", "json", "the spec itself, as an object or as YAML or JSON text"),
            Param("replace", "bool", "put it in the place of the one of that name"),
        ),
        show=print_registered,
        description=(
            "It is there for every process over the store at once, and its requests go through the gateway. Tools are\n"
            "names of agents that are built in or registered by a program, or functions as module:function."
        ),
        examples=("fairlead agent register reviewer.yaml", "fairlead agent register reviewer.yaml --replace"),
        role="operator",
        changes=True,
    ),
    Verb(
        "agent",
        "remove",
        "take a registered agent away",
        remove,
        params=(_AGENT,),
        aliases=("unregister", "rm"),
        role="operator",
        changes=True,
    ),
    Verb(
        "agent",
        "spawn",
        "start many agents at once, by dependency and priority, and measure it",
        spawn,
        params=(
            Param("file", "path", "JSON list of agents; `-` is standard input", positional=True),
            Param("agents", "json", "the list itself: {type, name, priority, dependencies, capabilities, inputs}"),
            Param("max_concurrency", "int", "starts at the same time", default=5),
            Param("batch_size", "int", "agents of a batch", default=3),
            Param("register", "path", "module or .py file whose agents to register first", many=True),
        ),
        show=print_spawned,
        description="Carries the runs out to their ends. A server answers when they are started.",
        examples=("fairlead agent spawn team.json",),
        role="operator",
        changes=True,
    ),
)
