"""Workflow files: YAML with a JSON Schema, read into a :class:`~fairlead.runtime.graph.Workflow`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fairlead.errors import InvalidGraphError, NotFoundError
from fairlead.runtime.graph import REQUIRED, Edge, Node, Retry, Workflow

MAX_FILE_BYTES = 5_000_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class RetrySpec(_Strict):
    """How often and how patiently a failed attempt is repeated."""

    attempts: int = Field(3, ge=1, le=100, description="Attempts in all, the first included.")
    base: float = Field(1.0, ge=0, description="Seconds that the first wait is at most.")
    factor: float = Field(2.0, ge=1, description="How much longer each next wait may be.")
    longest: float = Field(60.0, ge=0, description="Seconds that no wait exceeds.")


class EdgeSpec(_Strict):
    """A dependency with the outcome it waits for."""

    step: str = Field(description="Name of the step that must be done first.")
    on: Literal["success", "failure", "done"] = Field("success", description="Which outcome lets this step run.")


class StepSpec(_Strict):
    """One step."""

    id: str = Field(min_length=1, max_length=200, description="Name of the step, unique in the workflow.")
    agent: str = Field(min_length=1, description="Name of the agent or function that does it.")
    description: str = Field("", description="What it is for, in a sentence.")
    depends_on: list[str | EdgeSpec] = Field(default_factory=list, description="Steps that must be done first.")
    arguments: dict[str, Any] = Field(
        default_factory=dict, alias="with", description="Arguments; text may hold ${{ expressions }}."
    )
    when: str | None = Field(None, description="Condition; the step is skipped when it is false.")
    foreach: str | None = Field(None, description="Expression giving a list; the step runs once per item.")
    each_of: str | None = Field(None, description="A fan-out step that this one follows item by item.")
    join: Literal["all", "any"] = Field("all", description="Whether all dependencies must allow it, or one.")
    retry: RetrySpec | None = Field(None, description="Repetition of failed attempts.")
    timeout: float | None = Field(None, gt=0, description="Seconds an attempt may take.")
    idle_timeout: float | None = Field(None, gt=0, description="Seconds without a sign of life.")
    effect: bool = Field(False, description="It may act on the world: never repeated silently after a crash.")
    permission: Literal["read", "edit", "execute"] = Field("read", description="What it does to the user's things.")
    tolerate: bool = Field(False, description="Its failure does not fail the run.")
    on_item_error: Literal["fail", "keep"] = Field("fail", description="What failed items do to the step.")


class WorkflowSpec(_Strict):
    """A workflow file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="Name to run it by.")
    version: int = Field(1, ge=1, description="Raise it when runs in progress must not go on with the new file.")
    description: str = Field("", description="What it does, in a sentence or two.")
    inputs: dict[str, Any] = Field(
        default_factory=dict, description="Inputs with their defaults; `required` marks one without a default."
    )
    steps: list[StepSpec] = Field(min_length=1, description="The steps, in any order.")
    output: Any = Field(None, description="Value of the run; by default the values of the last steps.")


def workflow_from_spec(data: Mapping[str, Any], origin: str = "") -> Workflow:
    """A workflow from a parsed file; :class:`InvalidGraphError` names the field, its value and the remedy."""
    try:
        spec = WorkflowSpec.model_validate(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        value = first.get("input")
        shown = repr(value) if len(repr(value)) <= 80 else f"a {type(value).__name__}"
        raise InvalidGraphError(
            f"{origin or 'workflow'}: {place} is {shown}: {first['msg']}.",
            remedy=f"See `fairlead workflow schema`. ({exc.error_count()} problem(s) in all.)",
            field=place,
        ) from exc
    return Workflow(
        name=spec.name,
        nodes=tuple(_node(step) for step in spec.steps),
        inputs={k: REQUIRED if v == "required" else v for k, v in spec.inputs.items()},
        output=spec.output,
        version=spec.version,
        description=spec.description.strip(),
        spec=spec.model_dump(mode="json", by_alias=True, exclude_defaults=True),
    )


def _node(step: StepSpec) -> Node:
    edges = [Edge(d) if isinstance(d, str) else Edge(d.step, d.on) for d in step.depends_on]
    return Node(
        name=step.id,
        agent=step.agent,
        depends_on=tuple(edges),
        arguments=step.arguments,
        when=step.when,
        foreach=step.foreach,
        each_of=step.each_of,
        join=step.join,
        retry=Retry(**step.retry.model_dump()) if step.retry else None,
        timeout=step.timeout,
        idle_timeout=step.idle_timeout,
        effect=step.effect,
        permission=step.permission,
        tolerate=step.tolerate,
        on_item_error=step.on_item_error,
        description=step.description,
    )


class _StrictLoader(yaml.SafeLoader):
    """A safe loader in which only true and false are booleans (as in YAML 1.2, so that `on:` is a word), and which
    refuses a key given twice, where YAML would silently let the last one win."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the loader's own way of configuration
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            if isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def load_workflow(path: Path) -> Workflow:
    """Reads a workflow file; errors name the file and, for broken YAML, the line."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidGraphError(f"{path} is over {MAX_FILE_BYTES:,} bytes.", remedy="Split it.")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no workflow file {str(path)!r}.", remedy="Check the path.", path=str(path)
        ) from None
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidGraphError(f"{path} cannot be read: {exc}.", remedy="Give a text file in UTF-8.") from exc
    return parse_workflow(text, str(path))


def parse_workflow(text: str, origin: str) -> Workflow:
    # Aliases that refer to aliases grow exponentially; a workflow has no use for hundreds of them.
    aliases = (token for token in yaml.scan(text) if isinstance(token, yaml.AliasToken)) if "*" in text else ()
    try:
        if sum(1 for _ in aliases) > 100:
            raise InvalidGraphError(f"{origin} has more than 100 YAML aliases.", remedy="Write the values out.")
        data = yaml.load(text, _StrictLoader)
    except (yaml.YAMLError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidGraphError(
            f"{origin}{place}: {getattr(exc, 'problem', None) or exc}.", remedy="Mend the YAML there."
        ) from exc
    if not isinstance(data, Mapping):
        raise InvalidGraphError(
            f"{origin} holds {type(data).__name__}, not a mapping.", remedy="See `fairlead workflow schema`."
        )
    return workflow_from_spec(data, origin)


def template_names() -> list[str]:
    """The workflows that are shipped."""
    folder = resources.files("fairlead.runtime").joinpath("templates")
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def load_template(name: str) -> Workflow:
    """A shipped workflow by its name."""
    if name not in template_names():
        raise NotFoundError(
            f"there is no workflow {name!r}.", remedy=f"Shipped are: {', '.join(template_names())}.", workflow=name
        )
    text = resources.files("fairlead.runtime").joinpath("templates", f"{name}.yaml").read_text("utf-8")
    return parse_workflow(text, f"template {name}")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of workflow files."""
    return WorkflowSpec.model_json_schema(by_alias=True)
