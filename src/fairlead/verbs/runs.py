"""Verbs of `runs`: what is being done, and hands on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.verbs.context import Context, Output

_STATES = ("init", "running", "paused", "completed", "terminated", "error")
_MODES = ("default", "acceptEdits", "bypassPermissions", "plan")
_COLOURS = {"completed": "green", "error": "red", "terminated": "red", "paused": "yellow", "running": "cyan"}
_RUN = Param("run", "str", "id of the run, its last characters, or `latest`", positional=True, required=True)


def list_runs(
    context: Context, state: str | None = None, name: str | None = None, limit: int = 20, every: bool = False
) -> dict[str, Any]:
    app = context.open(create=False)
    try:
        rows = app.store.find_sync(tenant=str(app.tenant), states=(state,) if state else (), name=name, limit=limit + 1)
        shown = [r for r in rows[:limit] if every or r.parent_id is None]
        return {"items": [_summary(app, r) for r in shown], "has_more": len(rows) > limit}
    finally:
        app.database.close()


def _summary(app: Any, row: Any) -> dict[str, Any]:
    from fairlead.clock import isoformat

    end = row.finished or app.clock.now()
    summary = {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "state": row.state,
        "created": isoformat(row.created),
        "seconds": round(end - row.created, 3),
        "cause": row.cause,
        "attempt": row.attempt,
        "parent_id": row.parent_id,
        "error": row.error,
    }
    if row.state in ("init", "running"):
        from fairlead.runtime.owner import is_alive

        summary["carried_out"] = is_alive(app.settings.home / "owners", row.owner)
    if row.waiting_for:
        import orjson

        summary["waiting_for"] = orjson.loads(row.waiting_for)
    return summary


def show_list(value: dict[str, Any], out: Output) -> None:
    if not value["items"]:
        out.line("No runs yet. Start one: fairlead run content-brief")
        return
    from rich.table import Table
    from rich.text import Text

    from fairlead.observe.waterfall import format_seconds

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("run", "name", "state", "created", "took", "by", ""):
        table.add_column(column, overflow="fold" if column == "" else "ellipsis", no_wrap=column != "")
    for item in value["items"]:
        note = item["error"] or ""
        if item.get("carried_out") is False:
            note = f"interrupted; fairlead runs resume {item['id'][-8:]}"
        if item.get("waiting_for"):
            note = f"waits for you: {', '.join(w['key'] for w in item['waiting_for'])}"
        table.add_row(
            item["id"][-8:],
            item["name"],
            Text(item["state"], _COLOURS.get(item["state"], "")),
            item["created"][:19].replace("T", " "),
            format_seconds(item["seconds"]),
            item["cause"],
            Text(note, "dim"),
        )
    out.print(table)
    if value["has_more"]:
        out.line("… more: --limit N")


def show_run(context: Context, run: str) -> dict[str, Any]:
    import orjson

    from fairlead.verbs.finding import find_run

    app = context.open(create=False)
    try:
        row = find_run(app, run)
        summary = _summary(app, row)
        summary |= {
            "input": orjson.loads(row.input),
            "model": row.model,
            "permission_mode": row.permission_mode,
            "pause_cause": row.pause_cause,
            "terminate_cause": row.terminate_cause,
            "signature": row.signature,
            "steps": {},
            "result": None,
        }
        for entry in app.store.journal_sync(row.id):
            if entry.kind in ("step", "fan", "item"):
                summary["steps"][entry.status] = summary["steps"].get(entry.status, 0) + 1
        if row.result is not None:
            summary["result"] = orjson.loads(row.result)[0]
        return summary
    finally:
        app.database.close()


def print_run(value: dict[str, Any], out: Output) -> None:
    from fairlead.observe.waterfall import format_seconds

    out.line(f"{value['name']}  {value['id']}  {value['state']}  {format_seconds(value['seconds'])}")
    rows = [
        ("created", f"{value['created']} by {value['cause']}"),
        ("steps", ", ".join(f"{n} {word}" for word, n in value["steps"].items()) or "none finished"),
        ("input", _short(value["input"])),
        ("model", value["model"] or "each agent's own"),
        ("permissions", value["permission_mode"]),
    ]
    if value["pause_cause"]:
        rows.append(("pause", f"asked by {value['pause_cause']}"))
    for waiting in value.get("waiting_for", ()):
        rows.append(("waits for", f"{waiting['key']}: {waiting['reason']}"))
    if value["error"]:
        rows.append(("error", value["error"]))
    if value["result"] is not None:
        rows.append(("result", _short(value["result"])))
    for left, right in rows:
        out.line(f"  {left:<12}{right}")


def _short(value: Any, most: int = 300) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[:most] + f"… ({len(text):,} characters; --json shows all)"


def watch(context: Context, run: str, after: int = 0) -> Iterator[dict[str, Any]]:
    """Events of one run until it ends; from another process too."""
    from fairlead.verbs.finding import find_run

    app = context.open(create=False)
    try:
        row = find_run(app, run)
        for event in follow(app, after, subject=row.id):
            yield event.to_dict()
            if event.type in ("run.completed", "run.failed", "run.terminated"):
                return
    finally:
        app.database.close()


def follow(app: Any, after: int, *, until: Callable[[], bool] | None = None, **criteria: Any) -> Iterator[Any]:
    """History, then what other processes commit, until ``until`` says so (asked when there is nothing new). Looks when
    the database says that it changed."""
    import time

    seen: Any = None
    while True:
        page = app.store.events_sync(after=after, limit=500, **criteria)
        yield from page
        if page:
            after = page[-1].index
            continue
        if until is not None and until():
            # What was committed between the look and the question is still told.
            yield from app.store.events_sync(after=after, limit=500, **criteria)
            return
        while True:
            version = app.database.version_sync()
            if version != seen:
                seen = version
                break
            time.sleep(app.settings.poll_interval)


def print_event(value: dict[str, Any], out: Output) -> None:
    from fairlead.clock import isoformat

    data = " ".join(f"{k}={_short(v, 80)}" for k, v in value["data"].items() if v not in (None, [], {}))
    out.line(f"{isoformat(value['time'])[11:23]}  {value['index']:>7}  {value['type']:<24} {data}  ({value['cause']})")


def _control(context: Context, run: str, verb: str, args: dict[str, Any], cause: str | None = None) -> dict[str, Any]:
    import asyncio

    from fairlead.verbs.finding import find_run

    async def ask() -> dict[str, Any]:
        app = context.open(create=True)
        try:
            row = find_run(app, run)
            await app.open_runtime(recover=False)
            answer = await app.runtime.control(row.id, verb, args, cause=cause or context.cause, tenant=row.tenant)
            return {"run": row.id, "name": row.name, "verb": verb, **answer}
        finally:
            await app.close()

    return asyncio.run(ask())


def pause(context: Context, run: str, cause: str | None = None) -> dict[str, Any]:
    return _control(context, run, "pause", {}, cause)


def terminate(context: Context, run: str, cause: str | None = None) -> dict[str, Any]:
    return _control(context, run, "terminate", {}, cause)


def steer(context: Context, run: str, message: str, cause: str | None = None) -> dict[str, Any]:
    return _control(context, run, "steer", {"message": message}, cause)


def model(context: Context, run: str, model: str, cause: str | None = None) -> dict[str, Any]:
    return _control(context, run, "model", {"model": model}, cause)


def permissions(context: Context, run: str, mode: str, cause: str | None = None) -> dict[str, Any]:
    return _control(context, run, "permissions", {"mode": mode}, cause)


def command(context: Context, run: str, command: str, cause: str | None = None) -> dict[str, Any]:
    answer = _control(context, run, "command", {"command": command}, cause)
    return {**answer, "program_exit_code": answer.pop("exit_code")}


def decide(
    context: Context, run: str, step: str, word: str, value: Any = None, cause: str | None = None
) -> dict[str, Any]:
    return _control(context, run, "decide", {"key": step, "word": word, "value": value}, cause)


def resume(context: Context, run: str, agents: list[str] | None = None, cause: str | None = None) -> dict[str, Any]:
    """Asks the run's process to go on; when it has none, carries it out here."""
    from fairlead.verbs.running import resume_here

    return resume_here(context, run, cause, agents or [])


def list_checkpoints(context: Context, run: str) -> dict[str, Any]:
    from fairlead.verbs.finding import find_run

    app = context.open(create=False)
    try:
        row = find_run(app, run)
        return checkpoints_of(row, app.store.journal_sync(row.id))
    finally:
        app.database.close()


def checkpoints_of(row: Any, journal: Any) -> dict[str, Any]:
    """The points that a run can be forked from, oldest first."""
    from fairlead.clock import isoformat
    from fairlead.runtime.forking import checkpoints

    points = [p._asdict() | {"finished": isoformat(p.finished)} for p in checkpoints(journal)]
    return {"run": row.id, "name": row.name, "state": row.state, "forked_from": row.forked_from, "items": points}


def show_checkpoints(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['name']}  {value['run']}  {value['state']}")
    for point in value["items"]:
        out.line(f"  {point['number']:>4}  {point['finished'][11:23]}  {point['kind']:<6} {point['key']}")
    if value["items"]:
        out.line(f"Go on from one of them: fairlead runs fork {value['run'][-8:]} --at {value['items'][-1]['number']}")
    else:
        out.line("  No step has finished yet.")


def fork(
    context: Context,
    run: str,
    at: str | None = None,
    redo: str | None = None,
    set: list[str] | None = None,  # noqa: A002 - the word that users type
    repeat_effects: bool = False,
    agents: list[str] | None = None,
    **options: str,
) -> dict[str, Any]:
    """Carries the fork out here, as `run` does."""
    from fairlead.runtime.forking import Change
    from fairlead.verbs.running import fork_here
    from fairlead.verbs.top import read_assignments

    change = Change(at, redo, read_assignments(set or []))
    return fork_here(context, run, change, fork_options(repeat_effects, options), agents or [])


def fork_options(repeat_effects: bool, given: Any) -> dict[str, Any]:
    """Options of :meth:`fairlead.runtime.Runtime.fork` by the names that callers give them."""
    return {
        "repeat_effects": repeat_effects,
        "model": given.get("model"),
        "permission_mode": given.get("permissions"),
        "idempotency_key": given.get("key"),
    }


def print_answer(value: dict[str, Any], out: Output) -> None:
    if "verb" not in value:
        # It was carried out here, to its end or until it waits: that is what there is to tell.
        from fairlead.verbs.top import print_outcome

        print_outcome(value, out)
        return
    name = f"{value['name']} {value['run'][-8:]}"
    if "state" in value:
        already = "already " if value.get("already") else ""
        in_flight = value.get("in_flight") or []
        tail = f"; finishing {', '.join(in_flight[:5])}" if in_flight else ""
        below = len(value.get("children") or ())
        with_it = f", and {below} child run{'s' if below > 1 else ''} with it" if below else ""
        out.line(f"{name} is {already}{value['state']}{with_it}{tail}")
    elif "message_id" in value:
        out.line(f"{name} has the message {value['message_id']}; its receipt is the event run.message_delivered")
    elif "stdout" in value:
        out.line(value["stdout"].rstrip("\n"))
        if value["stderr"]:
            out.line(value["stderr"].rstrip("\n"))
        out.line(f"(exit code {value['program_exit_code']})")
    elif "word" in value:
        out.line(f"{name}: {value['key']} settled as {value['word']}")
    else:
        out.line(f"{name}: {value.get('from')} -> {value.get('to')}")


_CAUSE = Param("cause", "str", "who or what is recorded as the cause", aliases=("--by",))


def _verb(verb: str, summary: str, call: Any, *extra: Param, **more: Any) -> Verb:
    return Verb(
        "runs",
        verb,
        summary,
        call,
        params=(_RUN, *extra, _CAUSE),
        show=print_answer,
        role="operator",
        changes=True,
        **more,
    )


VERBS: tuple[Verb, ...] = (
    Verb(
        "runs",
        "list",
        "the newest runs",
        list_runs,
        params=(
            Param("state", "str", "only runs in this state", choices=_STATES, aliases=("--status",)),
            Param("name", "str", "only runs of this workflow or agent"),
            Param("limit", "int", "how many", default=20, aliases=("-n",)),
            Param("every", "bool", "child runs too", aliases=("--all",)),
        ),
        show=show_list,
        aliases=("ls",),
    ),
    Verb("runs", "show", "one run in full", show_run, params=(_RUN,), show=print_run, aliases=("get", "info")),
    Verb(
        "runs",
        "checkpoints",
        "the points that a run can be forked from",
        list_checkpoints,
        params=(_RUN,),
        show=show_checkpoints,
    ),
    Verb(
        "runs",
        "fork",
        "a new run that goes on from what another one had finished",
        fork,
        params=(
            _RUN,
            Param("at", "str", "checkpoint to go on from: its number or key; without it, only failures are done again"),
            Param("redo", "str", "step to do again, with all that depends on it"),
            Param("set", "str", "STEP=VALUE to go on with another result of a step", many=True),
            Param("repeat_effects", "bool", "steps that have acted on the world may do so again"),
            Param("model", "str", "model to use instead"),
            Param("permissions", "str", "permission mode instead", choices=_MODES),
            Param("key", "str", "idempotency key: the same key gives the same fork"),
            Param("agents", "path", "module or .py file whose agents and workflows to register first", many=True),
        ),
        show=print_answer,
        role="operator",
        changes=True,
    ),
    Verb(
        "runs",
        "watch",
        "a run's events until it ends",
        watch,
        params=(_RUN, Param("after", "int", "begin after the event with this index", default=0)),
        show=print_event,
        aliases=("follow", "tail"),
    ),
    _verb("pause", "let nothing new begin; what is in flight finishes", pause),
    _verb(
        "resume",
        "go on after a pause or an interruption, here if need be",
        resume,
        Param("agents", "path", "module or .py file whose agents and workflows to register first", many=True),
        aliases=("continue",),
    ),
    _verb("terminate", "stop a run and its children now", terminate, aliases=("stop", "kill", "cancel")),
    _verb(
        "steer",
        "give a run a message",
        steer,
        Param("message", "str", "text of the message; - reads standard input", positional=True, required=True),
    ),
    _verb(
        "model",
        "use another model from the next request on",
        model,
        Param("model", "str", "name of the model", positional=True, required=True),
    ),
    _verb(
        "permissions",
        "change how far the run may act without asking",
        permissions,
        Param(
            "mode",
            "str",
            "the mode",
            positional=True,
            required=True,
            choices=_MODES,
        ),
    ),
    _verb(
        "command",
        "run an allowed program for the run",
        command,
        Param("command", "str", "the program with its arguments, as one text", positional=True, required=True),
    ),
    _verb(
        "decide",
        "settle what a run waits for",
        decide,
        Param("step", "str", "what waits, as `runs show` names it", positional=True, required=True),
        Param(
            "word",
            "str",
            "answer a question, or: done (it happened), redo (do it again), fail",
            positional=True,
            required=True,
            choices=("answer", "done", "redo", "fail"),
        ),
        Param("value", "json", "the answer or the step's result, as JSON", positional=True),
    ),
)
