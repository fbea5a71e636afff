"""Writes the reference pages from the declarations in the code: ``python docs/generate.py``.

With ``--check`` nothing is written; the exit code is 1 when a page is not what the code says.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parent / "reference"
SOURCE = Path(__file__).parent.parent / "src" / "fairlead"
_MARK = "<!-- Written by docs/generate.py; change the declaration it names and run `make docs`. -->"


def pages() -> dict[str, str]:
    """File name -> text of every generated page."""
    made = {
        "command-line.md": command_line(),
        "settings.md": settings(),
        "errors.md": errors(),
        "events.md": events(),
        "workflow-files.md": workflow_files(),
        "agent-files.md": agent_files(),
        "run-states.md": run_states(),
        "python.md": python_surface(),
        "http-api.md": http_api(openapi()),
    }
    return {name: text.rstrip() + "\n" for name, text in made.items()}


def documents() -> dict[str, str]:
    """File name -> text of what is generated for programs."""
    return {"openapi.json": json.dumps(openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"}


def main(words: list[str]) -> int:
    stale = 0
    for name, text in {**pages(), **documents()}.items():
        path = REFERENCE / name
        old = path.read_text("utf-8") if path.is_file() else ""
        if old == text:
            continue
        stale = 1
        if "--check" in words:
            lines = difflib.unified_diff(old.splitlines(True), text.splitlines(True), str(path), "generated", n=1)
            sys.stdout.writelines(lines)
        else:
            REFERENCE.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            sys.stdout.write(f"wrote {path}\n")
    return stale if "--check" in words else 0


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────────


def _page(title: str, origin: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", f"{_MARK}\n<!-- Declared in {origin}. -->", *parts])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(_cell(cell) for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _code(value: Any) -> str:
    return f"`{value}`"


def _prose(doc: str | None) -> str:
    """The first paragraph of a docstring as Markdown: roles become code, double backticks single."""
    first = inspect.cleandoc(doc or "").split("\n\n")[0]
    first = re.sub(r":[a-z]+:`~?([^`]+)`", lambda m: f"`{m[1].rpartition('.')[2]}`", " ".join(first.split()))
    return first.replace("``", "`")


def _paragraphs(doc: str | None) -> str:
    """A whole docstring: paragraphs on one line each, examples as they stand."""
    parts = inspect.cleandoc(doc or "").split("\n\n")
    return "\n\n".join(part if part.startswith("    ") else _prose(part) for part in parts)


# ── command line ─────────────────────────────────────────────────────────────────────────────────────────────


def command_line() -> str:
    from fairlead.cli.parse import GLOBALS
    from fairlead.verbs import NOUN_ALIASES, NOUNS, load

    aliases: dict[str, list[str]] = {}
    for alias, noun in NOUN_ALIASES.items():
        aliases.setdefault(noun, []).append(alias)
    parts = [
        "`fairlead COMMAND [ARGUMENTS]` or `fairlead GROUP COMMAND [ARGUMENTS]`. The same table of verbs stands behind "
        "`fairlead --help`. Flags may be written `--flag VALUE` or `--flag=VALUE`, before or after the arguments; a "
        "flag that takes several values takes them in a row or is repeated; `--no-flag` switches a flag off.",
        "## Everywhere",
        _flags(GLOBALS),
        "With `--json` standard output is one document `{schema_version, kind, data}`, or one such line per item for "
        'commands that go on (`runs watch`, `events`, `work`). An error is `{schema_version, kind: "error", error: '
        "{code, category, message, remedy, fields}}`; without `--json` it goes to standard error.",
        _table(
            ("exit code", "meaning"),
            [
                ("0", "done"),
                ("1", "the work failed, or waits for a person; nothing wrong with the command"),
                ("2", "the command cannot be used as it was given"),
                ("3", "there is no store or board here, or a newer Fairlead wrote it"),
                ("4", "somebody else was first; safe to try again"),
                ("130, 143", "ended by SIGINT or SIGTERM; finished steps are kept"),
            ],
        ),
    ]
    for noun in ("", *NOUNS):
        also = f" (also {', '.join(map(_code, aliases[noun]))})" if noun in aliases else ""
        parts.append(f"## {noun}\n\n{NOUNS[noun].capitalize()}{also}." if noun else "## Without a group")
        parts += [_verb(verb) for verb in load(noun)]
    return _page("Command line", "src/fairlead/verbs", *parts)


def _verb(verb: Any) -> str:
    from fairlead.cli.parse import usage

    lines = [f"### fairlead {verb.words}", "", f"{verb.summary[0].upper()}{verb.summary[1:]}."]
    if verb.description:
        lines += ["", " ".join(verb.description.split())]
    lines += ["", "```text", usage(verb), "```"]
    if verb.aliases:
        lines += ["", f"Also `{'`, `'.join(verb.aliases)}`."]
    if verb.params:
        lines += ["", _flags(verb.params)]
    if verb.examples:
        lines += ["", "```sh", *(f"$ {example}" for example in verb.examples), "```"]
    return "\n".join(lines)


def _flags(params: Any) -> str:
    rows = []
    for param in params:
        name = param.name.upper() if param.positional else param.flag
        spellings = ", ".join([_code(name), *(_code(a) for a in param.aliases)])
        notes = [param.help] if param.help else []
        if param.choices:
            notes.append("one of " + ", ".join(map(_code, param.choices)))
        if param.default not in (None, False):
            notes.append(f"default `{param.default}`")
        if param.required:
            notes.append("required")
        kind = {"str": "text", "bool": "switch", "json": "JSON"}.get(param.kind, param.kind)
        rows.append((spellings, f"{kind}, several" if param.many else kind, "; ".join(notes)))
    return _table(("argument", "kind", "meaning"), rows)


# ── settings, errors, events ─────────────────────────────────────────────────────────────────────────────────


def settings() -> str:
    from fairlead.settings import SETTINGS

    rows = []
    for setting in SETTINGS:
        default = ",".join(map(str, setting.default)) if isinstance(setting.default, tuple) else str(setting.default)
        default = default.lower() if isinstance(setting.default, bool) else default
        bounds = ", ".join(map(_code, setting.choices)) or (
            f"at least {setting.minimum:g}" if setting.minimum is not None else ""
        )
        name = f"`{setting.name}`<br>`FAIRLEAD_{setting.name.upper()}`"
        rows.append((name, setting.kind, _code(default) if default else "empty", bounds, setting.sentence))
    return _page(
        "Settings",
        "src/fairlead/settings.py",
        'A value comes from the first of these that has one: the argument (`fairlead.open(durability="full")`, '
        "`--home`, `--tenant`, `--workspace`); the environment variable; the entry in `config.toml` in the home "
        "folder; the default. A value that cannot be used is refused, and the error names where it came from.",
        _table(("name", "kind", "default", "allowed", "meaning"), rows),
        "In `config.toml` the names are keys at the top: `max_concurrency = 128`.",
    )


def errors() -> str:
    import fairlead.errors

    rows = []
    for depth, kind in fairlead.errors.walk():
        if kind.__module__ == "fairlead.errors":
            name = "&nbsp;" * 4 * depth + _code(kind.__name__)
            rows.append((name, _prose(kind.__doc__), kind.category, str(kind.exit_code), str(kind.http_status)))
    elsewhere = [(_code(name), _code(base), _code(module), doc) for name, base, module, doc in _raised_by_rooms()]
    return _page(
        "Errors",
        "src/fairlead/errors.py",
        "Branches follow what a caller does next: try again (`RetryError`), change the request (`RefusedError`), let a "
        "person decide (`AskError`), mend something outside (`StopError`). Every error has `message`, `remedy`, and "
        "`fields` for programs. The category is one of `fairlead.ErrorCategory`.",
        _table(("error", "meaning", "category", "exit code", "HTTP"), rows),
        "## Defined where they are raised",
        _table(("error", "is a", "in", "meaning"), elsewhere),
    )


def _raised_by_rooms() -> Iterator[tuple[str, str, str, str]]:
    """Error classes outside of errors.py, read from the source so that nothing optional is imported."""
    import fairlead.errors

    known = {name for name in vars(fairlead.errors) if name.endswith("Error")}
    for path in sorted(SOURCE.rglob("*.py")):
        if path.name == "errors.py" and path.parent == SOURCE:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    if isinstance(base, ast.Name) and base.id in known:
                        module = ".".join(["fairlead", *path.relative_to(SOURCE).with_suffix("").parts])
                        yield node.name, base.id, module, _prose(ast.get_docstring(node))


def events() -> str:
    from fairlead.events import EVENT_TYPES, Event

    groups: dict[str, list[tuple[str, ...]]] = {}
    for name, meaning in EVENT_TYPES.items():
        groups.setdefault(name.partition(".")[0], []).append((_code(name), meaning))
    parts = [
        f"{_prose(Event.__doc__)} Its fields are {', '.join(map(_code, Event._fields))}. "
        "`tenant` is `tenant:workspace`; `subject` is the run, ticket or entry it is about; `cause` is who or what "
        "brought it about; `time` is seconds since the epoch, UTC. `index` increases strictly in the order of commits.",
        "The list is closed: any other type is refused.",
    ]
    for group, rows in groups.items():
        parts += [f"## {group}", _table(("type", "what it states"), rows)]
    return _page("Events", "src/fairlead/events.py", *parts)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────


def workflow_files() -> str:
    from fairlead.runtime.expressions import _FUNCTIONS
    from fairlead.runtime.spec import json_schema, template_names

    return _page(
        "Workflow files",
        "src/fairlead/runtime/spec.py",
        "YAML, read as YAML 1.2 where it matters: only `true` and `false` are booleans, so `on:` is a word, and a key "
        "given twice is refused. `fairlead workflow schema` prints the JSON Schema; `fairlead workflow validate FILE` "
        "checks a file without running it.",
        *_schema_parts(json_schema(), {"EdgeSpec": "Dependency", "RetrySpec": "Retry", "StepSpec": "Step"}),
        "## Expressions",
        "`when`, `foreach` and text within `with` and `output` may hold `${{ expression }}`. An expression sees "
        "`inputs`, `steps` (values of finished steps by name), `item` and `index` (in fan-outs), may compare, "
        f"calculate and index, and may call {', '.join(map(_code, _FUNCTIONS))}. A text that is one expression "
        "keeps the value's type.",
        "## Shipped workflows",
        f"{', '.join(map(_code, template_names()))}; see `fairlead workflow list`.",
    )


def agent_files() -> str:
    from fairlead.agents.spec import AgentSpec

    return _page(
        "Agent files",
        "src/fairlead/agents/spec.py",
        "YAML with the fields of `fairlead.AgentSpec`, kept for a tenant by `fairlead agent register FILE` and read by "
        "`fairlead.agents.load_agent_file(path)`. Unknown fields "
        "are refused.",
        *_schema_parts(AgentSpec.model_json_schema(), {"Capability": "Capability"}),
    )


def _schema_parts(schema: Mapping[str, Any], titles: Mapping[str, str]) -> list[str]:
    parts = ["## Top level", _fields(schema, titles)]
    for name, definition in schema.get("$defs", {}).items():
        title = titles.get(name, name)
        parts += [f"## {title}", definition.get("description", "").replace("``", "`"), _fields(definition, titles)]
    return [part for part in parts if part]


def _fields(schema: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    required = schema.get("required", ())
    rows = []
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field)
        rows.append((_code(name), _kind(field, titles), default, field.get("description", "")))
    return _table(("field", "kind", "default", "meaning"), rows)


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    if value is None:
        return "none"
    if value == "":
        return "empty"
    return _code(str(value).lower() if isinstance(value, bool) else value)


def _kind(field: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    if "$ref" in field:
        return titles.get(field["$ref"].rpartition("/")[2], "").lower()
    if "anyOf" in field:
        kinds = [_kind(one, titles) for one in field["anyOf"] if one.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in field:
        return ", ".join(map(_code, field["enum"]))
    if "const" in field:
        return _code(field["const"])
    if field.get("type") == "array":
        inner = _kind(field.get("items", {}), titles)
        return f"list of {inner}"
    kind = {"string": "text", "object": "mapping", None: "any"}.get(field.get("type"), str(field.get("type")))
    bounds = [f"{word} {field[key]}" for key, word in _BOUNDS.items() if key in field]
    return f"{kind}, {', '.join(bounds)}" if bounds else kind


_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "minLength": "characters at least",
    "maxLength": "characters at most",
}


# ── states ───────────────────────────────────────────────────────────────────────────────────────────────────


def run_states() -> str:
    from fairlead.runtime.hooks import POINTS
    from fairlead.runtime.middleware import decide_permission
    from fairlead.runtime.states import ACTIONS, TRANSITIONS, PermissionMode

    arrows = [f"    {state} --> {target}" for state, targets in TRANSITIONS.items() for target in sorted(targets)]
    ends = [f"    {state} --> [*]" for state in TRANSITIONS if state.finished]
    actions = [
        (_code(state), ", ".join(map(_code, words)) or "nothing; it has ended") for state, words in ACTIONS.items()
    ]
    modes = [
        (_code(mode.value), *(decide_permission(mode, p) for p in ("read", "edit", "execute")))
        for mode in PermissionMode
    ]
    return _page(
        "States, actions, permissions, hook points",
        "src/fairlead/runtime/states.py, middleware.py and hooks.py",
        "## States of a run",
        "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> init", *arrows, *ends, "```"]),
        "A pause and a termination are requests first, kept apart from the state: the state says what is.",
        "## What a run allows",
        _table(("state", "actions"), actions),
        "## Permission modes",
        "What a step, or a tool of a language-model agent, with the declared `permission` may do.",
        _table(("mode", "read", "edit", "execute"), modes),
        "`ask` makes the run wait for a person. In a journal a step is `started`, `success`, `skipped`, `uncertain`, "
        "`error` or `unknown`.",
        "## Hook points",
        ", ".join(map(_code, POINTS)) + ".",
    )


# ── Python ───────────────────────────────────────────────────────────────────────────────────────────────────


# ── the HTTP API ─────────────────────────────────────────────────────────────────────────────────────────────


@cache
def openapi() -> Any:
    """The document of a server over an empty store."""
    import asyncio
    import tempfile

    import fairlead
    from fairlead.server.factory import open_server

    async def made(home: str) -> Any:
        async with fairlead.open(home=home, tenant="docs") as lead, open_server(lead) as app:
            return app.openapi()

    with tempfile.TemporaryDirectory() as home:
        return asyncio.run(made(home))


def http_api(document: Mapping[str, Any]) -> str:
    """The routes by their tag, and the shapes of what they answer."""
    groups: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            groups.setdefault(operation["tags"][0], []).append(_route(document, method.upper(), path, operation))
    parts = [
        "`fairlead serve` offers these routes; [openapi.json](openapi.json), which a server gives at `/openapi.json`, "
        "says the same for programs. Every request but those to `/health`, `/liveness`, `/readiness` and "
        "`/openapi.json` carries `Authorization: Bearer KEY`. A failure is a problem document (RFC 9457) with "
        "`detail`, `remedy`, `code` and `instance`, the id of the request. How to use them: "
        "[Serve Fairlead](../how-to/server.md).",
        "## Statuses",
        _statuses(document),
    ]
    for tag in sorted(groups):
        parts += [f"## {tag}", *groups[tag]]
    parts += ["## Shapes", "What is marked with `?` may be left out."]
    schemas = document["components"]["schemas"]
    parts += [_shape(name, schema) for name, schema in schemas.items() if not name.startswith("answer.")]
    return _page("HTTP API", "src/fairlead/verbs, src/fairlead/server", *parts)


def _statuses(document: Mapping[str, Any]) -> str:
    said = {"200": "done", "201": "made", "304": "unchanged since the entity tag that was given"}
    said |= {code: answer["description"] for code, answer in document["components"]["responses"].items()}
    return _table(("status", "meaning"), sorted(said.items()))


def _route(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    lines = [f"### {method} {path}", "", operation["summary"].capitalize() + "."]
    if operation.get("description"):
        lines[-1] += f" {operation['description']}"
    rows = [
        (_code(p["name"]), p["in"], _type(p["schema"]), _said(p, p["required"]))
        for p in operation.get("parameters", ())
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        body = _followed(document, content["schema"])
        required = body.get("required", ())
        rows += [
            (_code(name), "form" if "form" in kind else "body", _type(part), _said(part, name in required))
            for name, part in body.get("properties", {}).items()
        ]
    if rows:
        lines += ["", _table(("argument", "in", "type", "meaning"), rows)]
    for code, said in operation["responses"].items():
        content = said.get("content", {}).get("application/json", {}).get("schema")
        if code in ("200", "201", "207") and content:
            lines += ["", f"Answers {code}: {_type(_followed(document, content, names='answer.'))}."]
    return "\n".join(lines)


def _followed(document: Mapping[str, Any], schema: Mapping[str, Any], names: str = "") -> Mapping[str, Any]:
    """What a reference refers to, as long as that is named with ``names``."""
    while schema.get("$ref", "").rpartition("/")[2].startswith(names) and "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _said(part: Mapping[str, Any], required: bool) -> str:
    schema = part.get("schema", part)
    choices = schema.get("enum") or schema.get("items", {}).get("enum")
    notes = ["required"] if required else []
    notes += [part["description"]] if part.get("description") else []
    notes += ["one of " + ", ".join(map(_code, choices))] if choices else []
    notes += [f"default `{schema['default']}`"] if schema.get("default") is not None else []
    return "; ".join(notes)


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return str(kind)


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    lines = [f"### {name}"]
    if schema.get("description"):
        lines += ["", _paragraphs(schema["description"])]
    required = schema.get("required", ())
    rows = [(_code(n + ("" if n in required else "?")), _type(part)) for n, part in schema["properties"].items()]
    return "\n".join([*lines, "", _table(("field", "type"), rows)])


def python_surface() -> str:
    import fairlead

    parts = [
        "Everything that `import fairlead` offers. Names are loaded when first used. Rooms have more: "
        "`fairlead.runtime`, `fairlead.agents`, `fairlead.agents.llm`, `fairlead.memory`, `fairlead.gateway`."
    ]
    for name in sorted(fairlead.__all__, key=str.lower):
        parts += [f"## {name}", _described(name, getattr(fairlead, name))]
    return _page("Python", "src/fairlead/__init__.py", *parts)


def _described(name: str, value: Any) -> str:
    if not inspect.isclass(value) and not inspect.isfunction(value):
        return "Marks a workflow input without a default."
    lines = [] if _is_plain(value) else [f"```text\n{name}{_signature(value)}\n```"]
    lines.append(_paragraphs(value.__doc__))
    if not inspect.isclass(value):
        return "\n\n".join(lines)
    if hasattr(value, "__members__"):
        lines.append("One of " + ", ".join(_code(member.value) for member in value) + ".")
        return "\n\n".join(lines)
    members = [(f"`{n}`", _prose(doc)) for n, doc in _members(value)]
    if members:
        lines.append(_table(("member", "meaning"), members))
    return "\n\n".join(lines)


def _is_plain(value: Any) -> bool:
    return inspect.isclass(value) and (hasattr(value, "__members__") or hasattr(value, "model_fields"))


def _signature(value: Any) -> str:
    """``(first, second=1) -> Result``, one parameter a line when it is long."""
    signature = inspect.signature(value)
    parts: list[str] = []
    for parameter in signature.parameters.values():
        prefix = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        if parameter.kind is parameter.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        default = "" if parameter.default is parameter.empty else f" = {_literal(parameter.default)}"
        parts.append(f"{prefix}{parameter.name}: {_annotation(parameter.annotation)}{default}")
    result = "" if inspect.isclass(value) else f" -> {_annotation(signature.return_annotation)}"
    line = f"({', '.join(parts)}){result}"
    if len(line) <= 100:
        return line
    return "(\n" + "".join(f"    {part},\n" for part in parts) + f"){result}"


def _annotation(annotation: Any) -> str:
    text = getattr(annotation, "__forward_arg__", annotation)
    return text if isinstance(text, str) else inspect.formatannotation(text)


def _literal(value: Any) -> str:
    return str(value) if hasattr(value, "value") else repr(value)


_INTERNAL = frozenset({"begin_attempt", "count_work", "end", "names", "value_at", "callback"})
"""Public within the runtime only."""


def _members(kind: type) -> Iterator[tuple[str, str]]:
    """Public methods and properties that the class itself defines."""
    for name, raw in vars(kind).items():
        value = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
        if name.startswith("_") or name in _INTERNAL:
            continue
        if isinstance(value, property):
            yield name, value.__doc__ or ""
        elif inspect.isfunction(value):
            yield f"{name}{_short_signature(value)}", value.__doc__ or ""


def _short_signature(value: Any) -> str:
    names: list[str] = []
    for parameter in inspect.signature(value).parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        prefix = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        if parameter.kind is parameter.KEYWORD_ONLY and not any(name.startswith("*") for name in names):
            names.append("*")
        default = "" if parameter.default is parameter.empty else f"={_literal(parameter.default)}"
        names.append(f"{prefix}{parameter.name}{default}")
    return f"({', '.join(names)})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
