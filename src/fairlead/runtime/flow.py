"""Workflows in Python: steps as decorated functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.errors import InvalidGraphError
from fairlead.runtime.graph import Edge, Node, Workflow

Source = str | Edge | Callable[..., Any]


class Flow:
    """Collects steps into a workflow.

    A parameter of a step's function is bound by name: to a dependency, to an input of the workflow, or to ``ctx``.
    """

    def __init__(
        self, name: str, *, inputs: Mapping[str, Any] | None = None, version: int = 1, output: Any = None
    ) -> None:
        self.name = name
        self.inputs = dict(inputs or {})
        self.version = version
        self.output = output
        self._nodes: list[Node] = []
        self._names: dict[Any, str] = {}
        self._made: Workflow | None = None

    def step(
        self, name: str | None = None, *, after: Source | Sequence[Source] = (), call: Any = None, **policies: Any
    ) -> Callable[[Any], Any]:
        """Adds the decorated function as a step, named as it is unless ``name`` is given.

        ``after`` are the steps it waits for, as names, functions or :class:`Edge`; ``policies`` are fields of
        :class:`~fairlead.runtime.graph.Node` such as ``foreach``, ``each_of``, ``retry``, ``timeout``, ``effect``.
        """

        def decorate(function: Any) -> Any:
            self.add(name or function.__name__, function, after=after, **policies)
            return function

        return decorate

    def add(self, name: str, call: Any, *, after: Source | Sequence[Source] = (), **policies: Any) -> None:
        """Adds a step: a function, an agent, or the name of one."""
        sources = [after] if isinstance(after, (str, Edge)) or callable(after) else list(after)
        edges = tuple(source if isinstance(source, Edge) else Edge(self._name_of(source)) for source in sources)
        if "each_of" in policies:
            policies["each_of"] = self._name_of(policies["each_of"])
        target = {"agent": call} if isinstance(call, str) else {"call": call}
        self._nodes.append(Node(name=name, depends_on=edges, **target, **policies))
        if not isinstance(call, str):
            self._names[id(call)] = name
        self._made = None

    def _name_of(self, source: Any) -> str:
        if isinstance(source, str):
            return source
        if id(source) not in self._names:
            raise InvalidGraphError(
                f"{getattr(source, '__name__', source)!r} is not a step of flow {self.name!r}.",
                remedy="Add it before the steps that wait for it, or name it by text.",
            )
        return self._names[id(source)]

    def as_workflow(self) -> Workflow:
        """The workflow as it is now; the same object until a step is added."""
        if self._made is None:
            self._made = Workflow(
                self.name, tuple(self._nodes), inputs=self.inputs, output=self.output, version=self.version
            )
        return self._made
