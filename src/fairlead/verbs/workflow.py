"""Verbs of `workflow`: what can be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.runtime import Workflow
    from fairlead.verbs.context import Context, Output


def list_workflows(context: Context) -> dict[str, Any]:
    from fairlead.runtime.spec import load_template, template_names

    items = []
    for name in template_names():
        workflow = load_template(name)
        items.append(
            {
                "name": name,
                "version": workflow.version,
                "steps": len(workflow.nodes),
                "description": workflow.description,
            }
        )
    return {"items": items, "has_more": False}


def print_workflows(value: dict[str, Any], out: Output) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("name", "steps", "what it does"):
        table.add_column(column, overflow="fold")
    for item in value["items"]:
        table.add_row(item["name"], str(item["steps"]), item["description"])
    out.print(table)


def _load(target: str) -> Workflow:
    from pathlib import Path

    from fairlead.runtime.spec import load_template, load_workflow

    if "/" in target or target.endswith((".yaml", ".yml")):
        return load_workflow(Path(target))
    return load_template(target)


def show_workflow(context: Context, workflow: str) -> dict[str, Any]:
    from fairlead.runtime.draw import draw_text
    from fairlead.runtime.graph import signature

    loaded = _load(workflow)
    return {"spec": loaded.spec, "signature": signature(loaded), "drawing": draw_text(loaded)}


def print_workflow(value: dict[str, Any], out: Output) -> None:
    out.line(value["drawing"].rstrip())
    spec = value["spec"]
    if spec.get("description"):
        out.line("\n" + spec["description"].strip())
    for name, default in spec.get("inputs", {}).items():
        out.line(f"  input {name}: {default!r}")


def draw(context: Context, workflow: str, to: str = "text") -> dict[str, Any]:
    from fairlead.runtime import draw as drawing

    loaded = _load(workflow)
    functions = {"text": drawing.draw_text, "mermaid": drawing.draw_mermaid, "dot": drawing.draw_dot}
    return {"workflow": loaded.name, "to": to, "drawing": functions[to](loaded)}


def print_drawing(value: dict[str, Any], out: Output) -> None:
    out.line(value["drawing"].rstrip())


def validate(context: Context, workflow: str) -> dict[str, Any]:
    """Checks names, dependencies, cycles and expressions; also says which agents are not registered here."""
    from fairlead.agents import AgentRegistry
    from fairlead.pipeline.agents import content_agents
    from fairlead.runtime.expressions import compile_expression, compile_value
    from fairlead.runtime.graph import check_graph

    loaded = _load(workflow)
    check_graph(loaded)
    for node in loaded.nodes:
        for text in (node.when, node.foreach):
            if text is not None:
                compile_expression(text, f"step {node.name!r}")
        compile_value(dict(node.arguments), f"step {node.name!r}, with")
    registry = AgentRegistry()
    for agent in content_agents(None, context.settings.home):  # type: ignore[arg-type] # only their names are used
        registry.register(agent)
    missing = sorted({n.agent for n in loaded.nodes if n.agent is not None and n.agent not in registry})
    return {"workflow": loaded.name, "valid": True, "steps": len(loaded.nodes), "agents_to_register": missing}


def print_validation(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['workflow']}: valid, {value['steps']} steps")
    if value["agents_to_register"]:
        out.line(f"  needs agents that are not built in: {', '.join(value['agents_to_register'])}")


def schema(context: Context) -> dict[str, Any]:
    from fairlead.runtime.spec import json_schema

    return json_schema()


_WORKFLOW = Param("workflow", "str", "name of a shipped workflow, or path of a file", positional=True, required=True)

VERBS: tuple[Verb, ...] = (
    Verb("workflow", "list", "the workflows that are shipped", list_workflows, show=print_workflows, aliases=("ls",)),
    Verb(
        "workflow",
        "show",
        "one workflow: steps, inputs, description",
        show_workflow,
        params=(_WORKFLOW,),
        show=print_workflow,
    ),
    Verb(
        "workflow",
        "draw",
        "a picture of the graph",
        draw,
        params=(
            _WORKFLOW,
            Param(
                "to", "str", "kind of picture", choices=("text", "mermaid", "dot"), default="text", aliases=("--as",)
            ),
        ),
        show=print_drawing,
    ),
    Verb(
        "workflow",
        "validate",
        "check a workflow without running it",
        validate,
        params=(_WORKFLOW,),
        show=print_validation,
        aliases=("check",),
    ),
    Verb("workflow", "schema", "the JSON Schema of workflow files", schema),
)
