"""Verbs without a noun: run, ask, trace, events, doctor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fairlead.verbs.runs import print_event
from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.verbs.context import Context, Output


def run(
    context: Context,
    target: str,
    input: list[str] | None = None,  # noqa: A002 - the word that users type
    output: str | None = None,
    focus: list[str] | None = None,
    set: list[str] | None = None,  # noqa: A002 - the word that users type
    model: str | None = None,
    permissions: str | None = None,
    key: str | None = None,
    agents: list[str] | None = None,
) -> dict[str, Any]:
    from pathlib import Path

    from fairlead.errors import InvalidInputError, NotFoundError
    from fairlead.verbs.running import run_here

    inputs = read_assignments(set or [])
    if input:
        missing = [path for path in input if "://" not in path and not Path(path).exists()]
        if missing:
            raise InvalidInputError(
                f"there is no file or folder {missing[0]!r}.", remedy="Check --input.", field="input"
            )
        inputs["paths"] = [path if "://" in path else str(Path(path).absolute()) for path in input]
    if output:
        inputs["output"] = str(Path(output).absolute())
    if focus:
        inputs["focus"] = focus
    chosen: Any = target
    if "/" in target or target.endswith((".yaml", ".yml")):
        from fairlead.runtime.spec import load_workflow

        if not Path(target).is_file():
            raise NotFoundError(f"there is no workflow file {target!r}.", remedy="Check the path.", target=target)
        chosen = load_workflow(Path(target))
    options = {"model": model, "permission_mode": permissions, "idempotency_key": key}
    given = {k: v for k, v in options.items() if v is not None}
    return run_here(context, chosen, inputs, given, agents or [])


def read_assignments(texts: list[str]) -> dict[str, Any]:
    """Values by name from what was given as ``NAME=VALUE``; a value is JSON, or text when it is not."""
    return dict(map(_assignment, texts))


def _assignment(text: str) -> tuple[str, Any]:
    import json

    from fairlead.errors import InvalidInputError

    name, separator, raw = text.partition("=")
    if not separator or not name:
        raise InvalidInputError(
            f"--set {text!r} is not NAME=VALUE.", remedy="Write for example --set depth=3.", field="set"
        )
    try:
        return name, json.loads(raw)
    except ValueError:
        return name, raw


def print_outcome(value: dict[str, Any], out: Output) -> None:
    from pathlib import Path

    short = value["run"][-8:]
    for run_id in value.get("recovered", ()):
        out.line(f"Took up {run_id}, which an earlier process left unfinished.")
    for left in value.get("unrecovered", ()):
        out.line(f"Left {left['run_id']} ({left['name']}) as it is: {left['reason']}")
    if value["state"] == "released":
        out.line(f"Interrupted. All finished steps are kept; go on with: fairlead runs resume {short}")
        return
    if "waiting_for" in value:
        out.line(f"{value['name']} {short} waits for you:")
        for waiting in value["waiting_for"]:
            out.line(f"  {waiting['key']}: {waiting['reason']}")
            words = "done|redo|fail" if waiting["kind"] == "effect" else "answer true"
            out.line(f"    fairlead runs decide {short} '{waiting['key']}' {words}")
        out.line(f"  then: fairlead runs resume {short}")
        return
    if value.get("error"):
        out.line(f"{value['name']} {short} ended in an error: {value['error']}")
        out.line(f"  fairlead trace {short}")
        return
    if "result" not in value:
        out.line(f"{value['name']} {short} is {value['state']}")
        return
    for warning in value["warnings"]:
        out.line(f"warning: {warning}")
    result = value["result"]
    files = result.get("files") if isinstance(result, dict) else None
    if not isinstance(files, dict) or "markdown" not in files:
        _print_result(result, out)
        out.line(f"\n{value['name']} {short} completed in {value['seconds']} s   fairlead trace {short}")
        return
    if out.is_terminal:
        from rich.markdown import Markdown

        out.print(Markdown(Path(files["markdown"]).read_text("utf-8")))
    else:
        out.line(Path(files["markdown"]).read_text("utf-8"))
    out.line(f"\nThe brief took {value['seconds']} s and is kept as")
    for path in files.values():
        out.line(f"  {path}")
    import os
    import shutil
    import sys

    # Before the environment is activated the command is only known by its path.
    command = "fairlead" if shutil.which("fairlead") else min(sys.argv[0], os.path.relpath(sys.argv[0]), key=len)
    out.line("\nTry next:")
    for words, meaning in (
        (f"trace {short}", "what each agent did, and when"),
        ('ask "What is a mapping object?"', "answers with their sources"),
        ("run content-brief --input FOLDER", "a brief about your own documents"),
        ("runs list", "everything that ran"),
    ):
        out.line(f"  {command} {words:<34} {meaning}")


def _print_result(result: Any, out: Output) -> None:
    import json

    out.line(result if isinstance(result, str) else json.dumps(result, indent=1, ensure_ascii=False, default=str))


def ask(context: Context, question: str, name: str = "content", limit: int = 25) -> dict[str, Any]:
    import asyncio

    from fairlead.errors import InvalidInputError

    if not question.strip():
        raise InvalidInputError("the question is empty.", remedy="Ask something.", field="question")

    async def answered() -> dict[str, Any]:
        from fairlead.pipeline.asking import ask
        from fairlead.tenancy import use_tenant

        app = context.open(create=False)
        try:
            with use_tenant(app.tenant):
                found = await ask(app.memory, question, name=name, limit=limit)
            found["exit_code"] = 0 if found["answered"] else 1
            return {"question": question, **found}
        finally:
            await app.close()

    return asyncio.run(answered())


def print_answer(value: dict[str, Any], out: Output) -> None:
    if not value["answered"]:
        out.line(f"No answer: {value['reason']}")
        return
    for statement in value["statements"]:
        out.line(statement["text"])
        out.line(f"    — {_source_line(statement)}")


def _source_line(statement: dict[str, Any]) -> str:
    parts = [str(statement.get("title") or statement["source"])]
    if statement.get("heading"):
        parts.append(str(statement["heading"]))
    if statement.get("speaker"):
        parts.append(str(statement["speaker"]))
    if statement.get("start_s") is not None:
        minutes, seconds = divmod(int(statement["start_s"]), 60)
        parts.append(f"at {minutes}:{seconds:02}")
    if statement.get("title"):
        parts.append(str(statement.get("link") or statement.get("url") or statement["source"]))
    return ", ".join(parts)


def trace(context: Context, run: str = "latest", every: bool = False) -> dict[str, Any]:
    from fairlead.observe.trace import trace_of
    from fairlead.verbs.finding import find_run

    app = context.open(create=False)
    try:
        row = find_run(app, run)
        children = app.store.find_sync(tenant=row.tenant, parent_id=row.id, limit=1000)
        return {**trace_of(row, app.store.journal_sync(row.id), children), "every": every}
    finally:
        app.database.close()


def print_trace(value: dict[str, Any], out: Output) -> None:
    from fairlead.observe.waterfall import draw_trace

    out.print(draw_trace(value, every=value["every"]))


def events(
    context: Context,
    follow: bool = False,
    after: int | None = None,
    subject: str | None = None,
    type: list[str] | None = None,  # noqa: A002 - the word that users type
    limit: int = 50,
) -> Iterator[dict[str, Any]]:
    from fairlead.errors import InvalidInputError
    from fairlead.events import EVENT_TYPES
    from fairlead.verbs.runs import follow as follow_from

    for name in type or ():
        if name not in EVENT_TYPES:
            import difflib

            near = difflib.get_close_matches(name, EVENT_TYPES, n=1)
            raise InvalidInputError(
                f"there is no event type {name!r}.", remedy=f"Did you mean {near[0]!r}?" if near else "", field="type"
            )
    app = context.open(create=False)
    try:
        criteria: dict[str, Any] = {"tenant": str(app.tenant), "subject": subject, "types": tuple(type or ())}
        page = app.store.events_sync(after=after or 0, limit=limit, newest=after is None, **criteria)
        last = after or 0
        for event in page:
            last = event.index
            yield event.to_dict()
        if follow:
            for event in follow_from(app, last, **criteria):
                yield event.to_dict()
    finally:
        app.database.close()


def doctor(context: Context, migrate: bool = False) -> dict[str, Any]:
    from fairlead.verbs.checkup import check_up

    return check_up(context, migrate=migrate)


def print_doctor(value: dict[str, Any], out: Output) -> None:
    marks = {"ok": "ok  ", "note": "note", "fault": "FAULT"}
    for check in value["checks"]:
        out.line(f"{marks[check['state']]:<6}{check['name']:<14}{check['text']}")
        if check.get("remedy"):
            out.line(f"      {'':<14}{check['remedy']}")


VERBS: tuple[Verb, ...] = (
    Verb(
        "",
        "run",
        "start a workflow or agent and carry it out",
        run,
        params=(
            Param(
                "target",
                "str",
                "name of a workflow or agent, or path of a workflow file",
                positional=True,
                required=True,
            ),
            Param("input", "path", "URLs, files and folders to read", many=True, aliases=("-i", "--paths")),
            Param("output", "path", "folder for what is written", aliases=("-o",)),
            Param("focus", "str", "a term to focus on", many=True),
            Param("set", "str", "NAME=VALUE for any other input; values are JSON or text", many=True),
            Param("model", "str", "model to use"),
            Param(
                "permissions",
                "str",
                "how far it may act without asking",
                choices=("default", "acceptEdits", "bypassPermissions", "plan"),
            ),
            Param("key", "str", "idempotency key: the same key gives the same run"),
            Param("agents", "path", "module or .py file whose agents and workflows to register first", many=True),
        ),
        show=print_outcome,
        examples=("fairlead run content-brief", "fairlead run content-brief --input notes/ talk.vtt --focus licensing"),
        role="operator",
        changes=True,
    ),
    Verb(
        "",
        "ask",
        "answer a question from what was remembered, with sources",
        ask,
        params=(
            Param("question", "str", "the question", positional=True, required=True),
            Param("name", "str", "collection in memory", default="content"),
            Param("limit", "int", "passages to look at", default=25),
        ),
        show=print_answer,
    ),
    Verb(
        "",
        "trace",
        "what a run did, step by step, as a waterfall",
        trace,
        params=(
            Param("run", "str", "id of the run, its last characters, or `latest`", positional=True, default="latest"),
            Param("every", "bool", "every item of long fan-outs", aliases=("--all",)),
        ),
        show=print_trace,
    ),
    Verb(
        "",
        "events",
        "the history of everything",
        events,
        params=(
            Param("follow", "bool", "go on with what happens", aliases=("-f",)),
            Param("after", "int", "begin after the event with this index", aliases=("--since",)),
            Param("subject", "str", "only about this run, ticket or entry"),
            Param("type", "str", "only events of this type", many=True),
            Param("limit", "int", "how many of the past", default=50, aliases=("-n",)),
        ),
        show=print_event,
    ),
    Verb(
        "",
        "doctor",
        "check this installation and its store",
        doctor,
        params=(Param("migrate", "bool", "bring an older store up to date, after a backup"),),
        show=print_doctor,
    ),
)
