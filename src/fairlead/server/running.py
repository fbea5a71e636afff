"""Runs over the server: started, read and controlled on the server's own runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from fairlead.clock import isoformat
from fairlead.errors import ForbiddenError, InvalidInputError, NotFoundError, UnavailableError
from fairlead.runtime import Change
from fairlead.runtime.owner import is_alive
from fairlead.runtime.states import RunState
from fairlead.server.access import Caller
from fairlead.server.borrowed import RemoteContext
from fairlead.server.desk import Desk
from fairlead.store.port import RunRow
from fairlead.verbs.finding import find_run
from fairlead.verbs.runs import checkpoints_of, fork_options

_PATH_NAMES = frozenset({"path", "paths", "file", "files", "folder", "folders", "input", "output", "directory", "root"})
_CONTROLS: Mapping[str, tuple[str, ...]] = {
    "pause": (),
    "resume": (),
    "terminate": (),
    "steer": ("message",),
    "model": ("model",),
    "permissions": ("mode",),
    "command": ("command",),
    "decide": ("step", "word", "value"),
}
_SUMMARY = (
    "id",
    "name",
    "kind",
    "state",
    "cause",
    "attempt",
    "parent_id",
    "error",
    "model",
    "permission_mode",
    "forked_from",
)


class Runs:
    """The verbs of runs, as a caller elsewhere gets them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lead = desk.lead
        desk.answers["run"] = self.start
        desk.answers["runs.list"] = self.listing
        desk.answers["runs.show"] = self.show
        desk.answers["runs.checkpoints"] = self.checkpoints
        desk.answers["runs.fork"] = self.fork
        for verb in _CONTROLS:
            desk.answers[f"runs.{verb}"] = self._controlling(verb)

    # ── starting ─────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        """Accepts a run durably and returns at once; it goes on in this process."""
        self._check_open()
        inputs = _named(given, "inputs")
        target = given["target"]
        if "/" in target or target.endswith((".yaml", ".yml")):
            raise NotFoundError(
                f"there is no workflow or agent {target[:100]!r}.", remedy="Give a name; files are not read."
            )
        handle = await self._lead.start(
            target,
            self._own_paths(caller, inputs),
            cause=RemoteContext(self._lead, caller).cause,
            tenant=caller.tenant,
            model=given.get("model"),
            permission_mode=given.get("permissions"),
            idempotency_key=given.get("key"),
        )
        return self.summary(await self._lead.runtime.require(handle.id, str(caller.tenant)))

    async def fork(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        """Begins a fork and returns at once; it goes on in this process."""
        self._check_open()
        row = self.find(caller, given["run"])
        handle = await self._lead.runtime.fork(
            row.id,
            Change(given.get("at"), given.get("redo"), _named(given, "values")),
            cause=RemoteContext(self._lead, caller).cause,
            tenant=str(caller.tenant),
            **fork_options(bool(given.get("repeat_effects")), given),
        )
        return self.summary(await self._lead.runtime.require(handle.id, str(caller.tenant)))

    def _check_open(self) -> None:
        if self._desk.draining or self._lead.runtime.closing:
            raise UnavailableError("the server is ending and takes no new runs.", remedy="Ask again.", retry_after=2)

    def uploads(self, caller: Caller) -> Path:
        """Where the files of the caller's tenant and workspace lie."""
        return Path(self._lead.settings.home / "uploads" / caller.tenant.tenant_id / caller.tenant.workspace_id)

    def _own_paths(self, caller: Caller, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs with the names of uploads made into paths. Other paths of the machine are refused, unless they
        lie in a folder that ``serve_paths`` opens: a caller must not read what only the server's user may."""
        roots = [self.uploads(caller).resolve(), *(Path(p).resolve() for p in self._lead.settings.serve_paths)]

        def settle(value: Any, named: bool) -> Any:
            if isinstance(value, dict):
                return {k: settle(v, named or str(k).lower() in _PATH_NAMES) for k, v in value.items()}
            if isinstance(value, list):
                return [settle(item, named) for item in value]
            if not isinstance(value, str) or not (value and (named or _looks_like_a_path(value))):
                return value
            if value.startswith("uploads/"):
                path = self.uploads(caller) / value.removeprefix("uploads/")
            else:
                path = Path(value)
            resolved = path.resolve()
            if not any(resolved == root or root in resolved.parents for root in roots):
                raise ForbiddenError(
                    f"{value[:200]!r} is not a path that callers may name.",
                    remedy="Upload the file and give the path of the answer, or open a folder with serve_paths.",
                    field="inputs",
                )
            return str(resolved)

        return {name: settle(value, name.lower() in _PATH_NAMES) for name, value in inputs.items()}

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────

    async def listing(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        """The newest runs; ``next`` is the cursor of the following page."""
        limit = min(given.get("limit", 20), 1000)
        state, cursor = given.get("state"), given.get("cursor")
        rows = await self._lead.store.find(
            tenant=str(caller.tenant),
            states=(state,) if state else (),
            name=given.get("name"),
            beyond=read_cursor(cursor) if cursor else None,
            limit=limit + 1,
        )
        page = rows[:limit]
        shown = [self.summary(row) for row in page if given.get("every") or row.parent_id is None]
        more = len(rows) > limit
        return {"items": shown, "has_more": more, "next": make_cursor(page[-1]) if more else None}

    async def show(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        row = self.find(caller, given["run"])
        steps: dict[str, int] = {}
        for entry in await self._lead.store.journal(row.id):
            if entry.kind in ("step", "fan", "item"):
                steps[entry.status] = steps.get(entry.status, 0) + 1
        return self.summary(row) | {
            "input": orjson.loads(row.input),
            "pause_cause": row.pause_cause,
            "terminate_cause": row.terminate_cause,
            "signature": row.signature,
            "steps": steps,
            "result": None if row.result is None else orjson.loads(row.result)[0],
        }

    async def checkpoints(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        row = self.find(caller, given["run"])
        return checkpoints_of(row, await self._lead.store.journal(row.id))

    def find(self, caller: Caller, word: str) -> RunRow:
        """The run of the caller's tenant that ``word`` names; unknown and other tenants' runs are alike."""
        return find_of(self._desk, caller, word)

    def summary(self, row: RunRow) -> dict[str, Any]:
        facts = {name: getattr(row, name) for name in _SUMMARY}
        facts["created"] = isoformat(row.created)
        facts["finished"] = None if row.finished is None else isoformat(row.finished)
        facts["seconds"] = round((row.finished or self._lead.clock.now()) - row.created, 3)
        if not RunState(row.state).finished:
            here = row.id in self._lead.runtime.executions
            facts["carried_out"] = here or is_alive(self._lead.settings.home / "owners", row.owner)
        if row.waiting_for:
            facts["waiting_for"] = orjson.loads(row.waiting_for)
        return facts

    # ── controlling ──────────────────────────────────────────────────────────────────────────────────────────

    def _controlling(self, verb: str) -> Any:
        async def control(caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
            row = self.find(caller, given["run"])
            names = {"step": "key"}
            arguments = {names.get(n, n): given[n] for n in _CONTROLS[verb] if n in given}
            cause = RemoteContext(self._lead, caller).cause
            answer = await self._lead.runtime.control(row.id, verb, arguments, cause=cause, tenant=str(caller.tenant))
            if "exit_code" in answer:
                answer["program_exit_code"] = answer.pop("exit_code")
            return {"run": row.id, "name": row.name, "verb": verb, **answer}

        return control


def _named(given: Mapping[str, Any], field: str) -> dict[str, Any]:
    value = given.get(field) or {}
    if not isinstance(value, dict):
        raise InvalidInputError(f"{field} is no object.", remedy="Give values by name.", field=field)
    return value


def find_of(desk: Desk, caller: Caller, word: str) -> RunRow:
    """The run of the caller's tenant that ``word`` names; :class:`NotFoundError` alike for all others."""
    return find_run(RemoteContext(desk.lead, caller).open(), word)


def make_cursor(row: RunRow) -> str:
    return f"{row.created!r}~{row.id}"


def read_cursor(text: str) -> tuple[float, str]:
    created, _, run_id = text.partition("~")
    try:
        return float(created), run_id
    except ValueError:
        raise InvalidInputError(
            "cursor is not one that a listing gave.", remedy="Use `next` as it is.", field="cursor"
        ) from None


def _looks_like_a_path(value: str) -> bool:
    if len(value) > 4096 or "\n" in value:
        return False
    return value.startswith(("uploads/", "file:")) or (
        (value.startswith(("/", "~")) or ".." in value) and Path(value).expanduser().exists()
    )
