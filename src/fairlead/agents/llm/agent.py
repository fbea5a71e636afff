"""LlmAgent: a pydantic-ai agent as an agent of Fairlead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import orjson
from pydantic_ai import Agent as AiAgent
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.models import Model
from pydantic_ai.tools import Tool as AiTool
from pydantic_ai.usage import UsageLimits

from fairlead.agents.llm.control import Metering, StepControl
from fairlead.agents.llm.faults import explain
from fairlead.agents.llm.models import ResolveModel, resolve_by_gateway, resolve_model
from fairlead.agents.llm.places import request_key
from fairlead.agents.llm.tools import as_llm_tool, llm_tool, tool_name
from fairlead.agents.spec import AgentSpec, Capability, Specified
from fairlead.errors import InvalidInputError
from fairlead.gateway.attribution import attribute
from fairlead.gateway.present import present_gateway
from fairlead.runtime.graph import REQUIRED, Node, Workflow
from fairlead.runtime.step import ChildFailedError, StepContext, find_step


class LlmAgent(Specified):
    """A language-model agent that can be run, be a step of a workflow, and be registered.

    Wraps a finished :class:`pydantic_ai.Agent`; :meth:`build` and :meth:`from_spec` make one. Inside a step its model
    requests and tool calls are journaled and it obeys the run's controls; anywhere else it is the plain agent. Called
    with a prompt (text; anything else is given as JSON), it returns the agent's output.

    Wherever a gateway is in force, as in an opened Fairlead, every model request goes through it. ``resolve`` turns the
    names of models into models, by default the gateway's; an agent without a model leaves the choice to the router.
    ``deps`` are the agent's dependencies. With ``stream`` every chunk of an answer is a sign of life to the step's idle
    timeout. ``policies`` are fields of
    :class:`~fairlead.runtime.graph.Node` (``retry``, ``timeout``, ``idle_timeout``, ``permission`` ...) that hold when
    the agent is run by itself.
    """

    def __init__(
        self,
        agent: AiAgent[Any, Any],
        *,
        spec: AgentSpec | None = None,
        resolve: ResolveModel = resolve_by_gateway,
        deps: Any = None,
        limits: UsageLimits | None = None,
        stream: bool = False,
        **policies: Any,
    ) -> None:
        if spec is None and not agent.name:
            raise InvalidInputError(
                "the agent has no name to run it by.",
                remedy="Give the pydantic-ai agent a name, or pass a spec.",
                field="name",
            )
        self.agent = agent
        self.spec = spec or AgentSpec(name=agent.name or "", description=str(agent.description or ""))
        self.resolve = resolve
        self.deps = deps
        self.limits = limits
        self.stream = stream
        self.policies = policies
        self._workflow: Workflow | None = None
        self._any_model = False

    @classmethod
    def build(
        cls,
        name: str,
        *,
        model: Model | str | None = None,
        instructions: str = "",
        tools: Sequence[Any] = (),
        output_type: Any = str,
        description: str = "",
        capabilities: Iterable[str | Capability] = (),
        **options: Any,
    ) -> LlmAgent:
        """An agent from its parts.

        ``tools`` may be functions, tools of Fairlead or of pydantic-ai, and other agents. A model given by name is
        resolved when the agent runs. ``options`` are those of the constructor.
        """
        spec = AgentSpec(
            name=name,
            description=description,
            instructions=instructions,
            model=model if isinstance(model, str) else None,
            capabilities=tuple(Capability(name=c) if isinstance(c, str) else c for c in capabilities),
        )
        return cls.from_spec(spec, tools=tools, model=model, output_type=output_type, **options)

    @classmethod
    def from_spec(
        cls,
        spec: AgentSpec,
        *,
        tools: Sequence[Any] = (),
        model: Model | str | None = None,
        output_type: Any = str,
        **options: Any,
    ) -> LlmAgent:
        """The agent that a spec describes; ``tools`` are the objects behind its tools' names."""
        agent: AiAgent[Any, Any] = AiAgent(
            model if isinstance(model, Model) else None,
            name=spec.name,
            description=spec.description or None,
            instructions=spec.instructions or None,
            output_type=output_type,
            tools=[as_llm_tool(tool) for tool in tools],
        )
        made = cls(agent, spec=spec, **options)
        made._any_model = model is None and spec.model is None
        return made

    def as_workflow(self) -> Workflow:
        """A workflow of this one step, with the prompt as its input."""
        if self._workflow is None:
            node = Node(name=self.name, call=self, **self.policies)
            self._workflow = Workflow(
                self.name, (node,), inputs={"prompt": REQUIRED}, description=self.spec.description, kind="agent"
            )
        return self._workflow

    def as_tool(self, name: str | None = None, description: str | None = None) -> AiTool[Any]:
        """This agent as a tool of another: a child run of its own, which can be watched and controlled by itself."""

        async def delegate(prompt: str) -> Any:
            step = find_step()
            if step is None:
                return await self(prompt)
            # A process that takes the child up after a crash finds it by its name.
            step.execution.engine.plans.workflows.setdefault(self.name, self.as_workflow())
            try:
                return await step.call(self, prompt=prompt)
            except ChildFailedError as exc:
                raise ToolFailed(exc.message) from exc

        return llm_tool(
            delegate,
            name=name or tool_name(self.name),
            description=description or self.spec.description or f"Delegates to agent {self.name}.",
        )

    async def __call__(self, prompt: Any) -> Any:
        """Runs the agent to its end and returns its output; model faults come as errors of Fairlead's tree."""
        step = find_step()
        text = prompt if isinstance(prompt, str) else orjson.dumps(prompt).decode()
        whose = {"agent": self.name} if step is None else {"agent": self.name, "run": step.run_id, "step": step.key}
        nested = step.part(f"agent:{self.name}") if step is not None and not self._is_step(step) else nullcontext()
        with nested, attribute(**whose):
            try:
                return await self._run(text, step)
            except Exception as exc:
                explained = explain(exc)
                if explained is None:
                    raise
                raise explained from exc

    async def _run(self, prompt: str, step: StepContext | None) -> Any:
        model, named = await self._starting_model(step)
        control = (
            Metering() if step is None else StepControl(step, self.name, self.resolve, model=named, stream=self.stream)
        )
        result = await self.agent.run(
            prompt, model=model, deps=self.deps, usage_limits=self.limits, capabilities=[control], infer_name=False
        )
        return result.output

    async def _starting_model(self, step: StepContext | None) -> tuple[Model | None, str | None]:
        """The model that the run names, or else the agent's; None for the one it was made with. And its name."""
        own = self.spec.model if self.agent.model is None else None
        if self._any_model and present_gateway() is not None:
            own = "auto"
        named = None if step is None else step.model
        if step is not None and named is not None:
            try:
                return await resolve_model(self.resolve, named), named
            except Exception as exc:
                # A run that has begun was named this model while it ran; a slip in that does not end it after a crash.
                if step.kept(request_key(1, 1)) is None:
                    raise
                step.note("model.failed", name=named, error=f"it cannot be used, so the agent's own model is: {exc}")
        return None if own is None else await resolve_model(self.resolve, own), named or own

    def _is_step(self, step: StepContext) -> bool:
        """Whether the step is this agent and nothing else, so that its parts need no name of their own."""
        return step.at_top and (step.node.call is self or step.node.agent == self.name)
