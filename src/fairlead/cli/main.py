"""The command line: parse, call, print. Exit codes: 0 ok, 1 operational, 2 usage, 3 not initialised or newer schema,
4 conflict (safe to retry), 130 interrupted."""

from __future__ import annotations

import sys

from fairlead.cli.parse import Parsed, parse
from fairlead.errors import FairleadError
from fairlead.verbs.context import Context, Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

JSON_SCHEMA_VERSION = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words or "--format=json" in words
    if words[:1] == ["--version"]:
        from importlib.metadata import version

        print(f"fairlead {version('fairlead')}")
        return 0
    try:
        parsed = parse(words, read_stdin=sys.stdin.read)
        as_json = bool(parsed.common.get("json"))
        return _run(parsed, as_json)
    except FairleadError as exc:
        _print_error(exc, as_json)
        return exc.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe has gone, as `| head` does; that is not an error of ours.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(parsed: Parsed, as_json: bool) -> int:
    out = Output(color=False if parsed.common.get("no_color") else None)
    if parsed.verb is None or parsed.common.get("help"):
        return _help(parsed, out)
    overrides = {k: parsed.common.get(k) for k in ("home", "tenant", "workspace")}
    context = Context(overrides, interactive=not as_json)
    value = parsed.verb.invoke(context, parsed.arguments)
    show = parsed.verb.show
    if hasattr(value, "__next__"):
        code = 0
        for item in value:
            code = _exit_code(item)
            if as_json:
                _write_json(parsed.verb.name, item, line=True)
            elif show is not None:
                show(item, out)
        return code
    if as_json or show is None:
        _write_json(parsed.verb.name, value, line=False)
    else:
        show(value, out)
    return _exit_code(value)


def _help(parsed: Parsed, out: Output) -> int:
    from fairlead.cli.help import help_noun, help_top, help_verb

    if parsed.verb is not None:
        out.line(help_verb(parsed.verb))
    else:
        out.line(help_noun(parsed.noun) if parsed.noun else help_top())
    return 0


def _exit_code(value: Any) -> int:
    """A verb that did its work but found failure says so with ``exit_code`` in its answer."""
    code = value.get("exit_code", 0) if isinstance(value, dict) else 0
    return code if isinstance(code, int) else 0


def _write_json(kind: str, data: Any, *, line: bool) -> None:
    document = {"schema_version": JSON_SCHEMA_VERSION, "kind": kind, "data": data}
    if line or not sys.stdout.isatty():
        from fairlead.compact import dumps

        text = dumps(document)
    else:
        import json

        text = json.dumps(document, ensure_ascii=False, default=str, indent=1)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _print_error(exc: FairleadError, as_json: bool) -> None:
    if as_json:
        import json

        error = {
            "code": type(exc).__name__,
            "category": exc.category,
            "message": exc.message,
            "remedy": exc.remedy,
            "fields": exc.fields,
        }
        document = {"schema_version": JSON_SCHEMA_VERSION, "kind": "error", "error": error}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str, separators=(",", ":")) + "\n")
        return
    print(f"fairlead: {exc.message}", file=sys.stderr)
    if exc.remedy:
        print(f"  {exc.remedy}", file=sys.stderr)
