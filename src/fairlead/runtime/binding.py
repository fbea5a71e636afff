"""Where the parameters of a step's function get their values, settled once per graph.

A parameter is bound, in this order, to: the step context (``ctx`` or annotated ``StepContext``); an explicit
argument; ``item`` and ``index`` of a fan-out; the dependency of that name; the workflow's input of that name; the item,
when it is the only one left; its default. Dashes in step names match underscores.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fairlead.errors import InvalidGraphError
from fairlead.runtime.expressions import Evaluate, compile_value
from fairlead.runtime.graph import Node, Shape, Workflow

if TYPE_CHECKING:
    from fairlead.runtime.step import StepContext

Source = Callable[["StepContext"], Any]
Bind = Callable[["StepContext"], dict[str, Any]]


def compile_binding(workflow: Workflow, shape: Shape, node: Node, call: Callable[..., Any]) -> Bind | None:
    """A function from step to keyword arguments; None for a function that takes none."""
    where = f"step {node.name!r} of workflow {workflow.name!r}"
    sources = {name: _argument(value, f"{where}, argument {name!r}") for name, value in node.arguments.items()}
    bound: dict[str, Source] = {}
    open_parameters: list[str] = []
    takes_any = False
    for parameter in _parameters(call, where):
        name = parameter.name
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_any = True
        elif parameter.kind is parameter.VAR_POSITIONAL:
            continue
        elif is_context(parameter):
            bound[name] = _context
        elif (source := sources.pop(name, None) or _found(workflow, shape, node, name)) is not None:
            bound[name] = source
        elif parameter.default is parameter.empty:
            open_parameters.append(name)
    if len(open_parameters) == 1 and (node.foreach or node.each_of) and _item not in bound.values():
        bound[open_parameters.pop()] = _item
    if open_parameters:
        raise InvalidGraphError(
            f"{where}: parameter {open_parameters[0]!r} of its function has no value.",
            remedy="Name a dependency or an input of the workflow so, pass it as an argument, or give it a default.",
            step=node.name,
            parameter=open_parameters[0],
        )
    if sources and not takes_any:
        raise InvalidGraphError(
            f"{where}: its function takes no argument {next(iter(sources))!r}.",
            remedy="Remove the argument or add the parameter.",
            step=node.name,
            parameter=next(iter(sources)),
        )
    bound.update(sources)
    if not bound:
        return None
    items = tuple(bound.items())
    if len(items) == 1:
        ((only, source),) = items
        return lambda step: {only: source(step)}
    return lambda step: {name: source(step) for name, source in items}


def _parameters(call: Callable[..., Any], where: str) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError) as exc:
        raise InvalidGraphError(f"{where}: its function has no readable signature: {exc}.") from exc
    positional_only = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    if positional_only:
        raise InvalidGraphError(
            f"{where}: parameter {positional_only[0]!r} is positional-only.", remedy="Let it be given by name."
        )
    return parameters


def is_context(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return parameter.name == "ctx" or name.rpartition(".")[2] == "StepContext"


def _context(step: StepContext) -> Any:
    return step


def _item(step: StepContext) -> Any:
    return step.item


def _index(step: StepContext) -> Any:
    return step.index


def _argument(value: Any, where: str) -> Source:
    compiled = compile_value(value, where)
    if compiled is None:
        return lambda step: value
    return _evaluated(compiled)


def _evaluated(compiled: Evaluate) -> Source:
    return lambda step: compiled(step.names())


def _found(workflow: Workflow, shape: Shape, node: Node, name: str) -> Source | None:
    if node.foreach or node.each_of:
        if name == "item":
            return _item
        if name == "index":
            return _index
    for edge in node.depends_on:
        if edge.source == name or edge.source.replace("-", "_") == name:
            return _value_of(shape.position[edge.source])
    if node.each_of is not None and name == node.each_of.replace("-", "_"):
        return _item
    if name in workflow.inputs:
        return _input(name)
    return None


def _value_of(position: int) -> Source:
    return lambda step: step.value_at(position)


def _input(name: str) -> Source:
    return lambda step: step.inputs[name]


class StepValues(Mapping[str, Any]):
    """What expressions see as ``steps``: the values of finished steps by name."""

    def __init__(self, position: Mapping[str, int], values: list[Any]) -> None:
        self._position = position
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[self._position[name]]

    def __iter__(self) -> Any:
        return iter(self._position)

    def __len__(self) -> int:
        return len(self._position)
