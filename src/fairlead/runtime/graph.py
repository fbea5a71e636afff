"""Workflow graphs: nodes, edges and their validation. Nothing here runs anything.

A graph is checked whole before anything starts: names, dependencies, cycles (with the path), fan-out sources,
expressions, and that every parameter of every function has a source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from fairlead.errors import InvalidGraphError, InvalidInputError
from fairlead.store.codec import digest, encode

EdgeOn = Literal["success", "failure", "done"]
Permission = Literal["read", "edit", "execute"]


class Edge(NamedTuple):
    """A dependency. ``on`` says which outcome lets the dependent run: success (default), failure, or done (any)."""

    source: str
    on: EdgeOn = "success"


class Retry(NamedTuple):
    """Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015).

    Attempt n waits a random time up to ``min(longest, base * factor ** (n - 1))`` seconds, or the time that the
    other side asked for. Only retryable results are tried again.
    """

    attempts: int = 3
    base: float = 1.0
    factor: float = 2.0
    longest: float = 60.0


class Node(NamedTuple):
    """One step of a workflow.

    ``call`` is the function; without it ``agent`` names one in the registry. ``arguments`` are the values given to
    it, with ``${{ ... }}`` expressions inside. ``foreach`` (an expression giving a list) makes it a fan-out: one
    call per item. ``each_of`` names another fan-out and follows it item by item without waiting for all of it.
    ``effect`` marks a step that may act on the world: its start is made durable first, and after a crash it is
    reported as unknown, not repeated. ``tolerate`` keeps a failure from failing the run. ``join`` ``any`` runs the
    node when at least one edge is satisfied. ``fallback`` is called with the same arguments when the step fails.
    """

    name: str
    call: Callable[..., Any] | None = None
    agent: str | None = None
    depends_on: tuple[Edge, ...] = ()
    arguments: Mapping[str, Any] = {}
    when: str | None = None
    foreach: str | None = None
    each_of: str | None = None
    join: Literal["all", "any"] = "all"
    retry: Retry | None = None
    timeout: float | None = None
    idle_timeout: float | None = None
    effect: bool = False
    permission: Permission = "read"
    tolerate: bool = False
    on_item_error: Literal["fail", "keep"] = "fail"
    fallback: Callable[..., Any] | None = None
    description: str = ""


class Workflow(NamedTuple):
    """A named, versioned graph. ``inputs`` maps each input's name to its default (:data:`REQUIRED` for none);
    ``output`` is an expression for the result, by default the values of the last steps."""

    name: str
    nodes: tuple[Node, ...]
    inputs: Mapping[str, Any] = {}
    output: Any = None
    version: int = 1
    description: str = ""
    kind: str = "workflow"
    spec: Mapping[str, Any] | None = None


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()
"""Marks a workflow input without a default."""


class Shape(NamedTuple):
    """A validated graph by position: for each node its edges in and out, its followers, and a topological order."""

    names: tuple[str, ...]
    position: Mapping[str, int]
    incoming: tuple[tuple[tuple[int, EdgeOn], ...], ...]
    outgoing: tuple[tuple[tuple[int, EdgeOn], ...], ...]
    followers: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]


def check_graph(workflow: Workflow) -> Shape:
    """The shape of a sound graph; :class:`InvalidGraphError` names the step and what is wrong with it."""
    nodes = workflow.nodes
    if not nodes:
        raise InvalidGraphError(f"workflow {workflow.name!r} has no steps.", remedy="Give it at least one.")
    position: dict[str, int] = {}
    for number, node in enumerate(nodes):
        _check_node(workflow, node)
        if node.name in position:
            raise InvalidGraphError(
                f"workflow {workflow.name!r} has two steps named {node.name!r} (steps {position[node.name] + 1} and "
                f"{number + 1}).",
                remedy="Give every step a name of its own.",
                step=node.name,
            )
        position[node.name] = number
    incoming: list[tuple[tuple[int, EdgeOn], ...]] = []
    outgoing: list[list[tuple[int, EdgeOn]]] = [[] for _ in nodes]
    followers: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        edges: list[tuple[int, EdgeOn]] = []
        for edge in node.depends_on:
            source = _position_of(workflow, position, node, edge.source)
            edges.append((source, edge.on))
            outgoing[source].append((number, edge.on))
        incoming.append(tuple(edges))
        if node.each_of is not None:
            source = _position_of(workflow, position, node, node.each_of)
            if nodes[source].foreach is None and nodes[source].each_of is None:
                raise InvalidGraphError(
                    f"step {node.name!r} follows {node.each_of!r} item by item, but that step has no items.",
                    remedy=f"Give {node.each_of!r} a `foreach`, or depend on it with `depends_on`.",
                    step=node.name,
                )
            followers[source].append(number)
    order = _order(workflow, incoming, outgoing, followers)
    return Shape(
        tuple(node.name for node in nodes),
        position,
        tuple(incoming),
        tuple(map(tuple, outgoing)),
        tuple(map(tuple, followers)),
        order,
    )


def _check_node(workflow: Workflow, node: Node) -> None:
    where = f"step {node.name!r} of workflow {workflow.name!r}"
    if not node.name or any(c in node.name for c in "/[]#\n\r\t\0") or len(node.name) > 200:
        raise InvalidGraphError(
            f"{node.name!r} cannot be the name of a step.",
            remedy="Use 1 to 200 characters without / [ ] # and line breaks.",
            step=node.name,
        )
    if (node.call is None) == (node.agent is None):
        raise InvalidGraphError(
            f"{where} needs either a function or the name of an agent.", remedy="Give exactly one.", step=node.name
        )
    if node.foreach is not None and node.each_of is not None:
        raise InvalidGraphError(
            f"{where} has both `foreach` and `each_of`.", remedy="Give one of them.", step=node.name
        )
    sources = [edge.source for edge in node.depends_on]
    repeated = {s for s in sources if sources.count(s) > 1} if len(sources) < 64 else _repeated(sources)
    if repeated:
        raise InvalidGraphError(
            f"{where} depends on {min(repeated)!r} twice.", remedy="Name each dependency once.", step=node.name
        )
    for field in ("timeout", "idle_timeout"):
        seconds = getattr(node, field)
        if seconds is not None and not seconds > 0:
            raise InvalidGraphError(
                f"{where} has {field} {seconds!r}.", remedy="Give seconds above 0, or none.", step=node.name
            )
    if node.retry is not None and (node.retry.attempts < 1 or node.retry.base < 0 or node.retry.factor < 1):
        raise InvalidGraphError(
            f"{where} has retry {node.retry!r}.",
            remedy="attempts must be at least 1, base at least 0 and factor at least 1.",
            step=node.name,
        )


def _repeated(names: Sequence[str]) -> set[str]:
    seen: set[str] = set()
    return {n for n in names if n in seen or seen.add(n)}  # type: ignore[func-returns-value]


def _position_of(workflow: Workflow, position: Mapping[str, int], node: Node, source: str) -> int:
    if source in position:
        return position[source]
    import difflib

    near = difflib.get_close_matches(source, position, n=1)
    raise InvalidGraphError(
        f"step {node.name!r} of workflow {workflow.name!r} depends on {source!r}, which does not exist.",
        remedy=f"Did you mean {near[0]!r}?" if near else f"Steps are: {', '.join(list(position)[:20])}.",
        step=node.name,
        dependency=source,
    )


def _order(
    workflow: Workflow,
    incoming: Sequence[Sequence[tuple[int, EdgeOn]]],
    outgoing: Sequence[Sequence[tuple[int, EdgeOn]]],
    followers: Sequence[Sequence[int]],
) -> tuple[int, ...]:
    """A topological order by repeated removal of sources (Kahn, CACM 5(11), 1962)."""
    waiting = [len(edges) for edges in incoming]
    for node_followers in followers:
        for follower in node_followers:
            waiting[follower] += 1
    ready = deque(n for n, count in enumerate(waiting) if count == 0)
    order: list[int] = []
    while ready:
        number = ready.popleft()
        order.append(number)
        for target in (*(t for t, _ in outgoing[number]), *followers[number]):
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    if len(order) < len(incoming):
        cycle = _cycle(workflow, {n for n, count in enumerate(waiting) if count > 0})
        raise InvalidGraphError(
            f"workflow {workflow.name!r} has a cycle: {' -> '.join(cycle)}.",
            remedy="Remove one of these dependencies.",
            cycle=cycle,
        )
    return tuple(order)


def _cycle(workflow: Workflow, stuck: set[int]) -> list[str]:
    """One cycle among the nodes that a topological sort could not remove, first name repeated at the end."""
    by_name = {workflow.nodes[n].name: workflow.nodes[n] for n in stuck}
    path: list[str] = []
    seen: dict[str, int] = {}
    name = min(by_name)
    while name not in seen:
        seen[name] = len(path)
        path.append(name)
        node = by_name[name]
        sources = [edge.source for edge in node.depends_on] + ([node.each_of] if node.each_of else [])
        name = next(s for s in sources if s in by_name)
    cycle = [*path[seen[name] :], name]
    return cycle[::-1]


def signature(workflow: Workflow) -> str:
    """A fingerprint of what a resume relies on: steps, dependencies, fan-outs, agents and version.

    The text of functions is not part of it: mending a bug in a step must not strand the runs that met it.
    """
    shape = [
        [
            node.name,
            node.agent or _qualified(node.call),
            [list(edge) for edge in node.depends_on],
            node.when,
            node.foreach,
            node.each_of,
            node.join,
            node.effect,
        ]
        for node in workflow.nodes
    ]
    return digest(encode([workflow.name, workflow.version, shape]))


def _qualified(call: Callable[..., Any] | None) -> str:
    name = getattr(call, "__qualname__", None) or type(call).__qualname__
    return f"{getattr(call, '__module__', '')}.{name}"


def bind_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a run: what was given over the defaults. Unknown and missing names are refused."""
    unknown = [name for name in given if name not in workflow.inputs]
    if unknown:
        raise InvalidInputError(
            f"workflow {workflow.name!r} has no input {unknown[0]!r}.",
            remedy=f"Its inputs are: {', '.join(workflow.inputs) or 'none'}.",
            field=unknown[0],
            value=given[unknown[0]],
        )
    bound = {**workflow.inputs, **given}
    missing = [name for name, value in bound.items() if value is REQUIRED]
    if missing:
        raise InvalidInputError(
            f"workflow {workflow.name!r} needs input {missing[0]!r}.",
            remedy="Give it a value.",
            field=missing[0],
        )
    return bound
