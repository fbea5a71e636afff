"""Verbs of `jobs`: what is being taken in, and hands on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.pipeline.jobs import Jobs
    from fairlead.verbs.context import Context, Output

T = TypeVar("T")

_STATUSES = ("pending", "running", "done", "error", "cancelled")
_COLOURS = {"done": "green", "error": "red", "cancelled": "yellow", "running": "cyan"}
_JOB = Param("job", "str", "id of the job, the end of it, or `latest`", positional=True, required=True)


def with_jobs(context: Context, work: Callable[[Jobs], Awaitable[T]], *, create: bool) -> T:
    """Opens the store, does ``work`` for the context's tenant, and closes it."""
    import asyncio

    from fairlead.pipeline.jobs import Jobs
    from fairlead.tenancy import use_tenant

    async def do() -> T:
        app = context.open(create=create)
        try:
            with use_tenant(app.tenant):
                return await work(Jobs(app.database, app.clock))
        finally:
            await app.close()

    return asyncio.run(do())


def list_jobs(
    context: Context,
    status: str | None = None,
    batch: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> dict[str, Any]:
    async def work(jobs: Jobs) -> dict[str, Any]:
        from fairlead.pipeline.jobs import job_view

        found = await jobs.list(statuses=(status,) if status else (), batch=batch, before=before, limit=limit + 1)
        more = len(found) > limit
        items = [job_view(job) for job in found[:limit]]
        counts = await jobs.counts(batch)
        return {"items": items, "counts": counts, "has_more": more, "next": items[-1]["id"] if more else None}

    return with_jobs(context, work, create=False)


def show_list(value: dict[str, Any], out: Output) -> None:
    if not value["items"]:
        out.line("No jobs. Take something in: fairlead ingest FILE")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("job", "status", "stage", "created", "address", ""):
        table.add_column(column, overflow="fold" if column == "" else "ellipsis", no_wrap=column != "")
    for item in value["items"]:
        table.add_row(
            item["id"][-8:],
            Text(item["status"], _COLOURS.get(item["status"], "")),
            f"{item['stage']} {item['progress']}%",
            item["created"][:19].replace("T", " "),
            item["address"][-60:],
            Text(item["error"] or _brought(item["result"]), "dim"),
        )
    out.print(table)
    out.line(", ".join(f"{count:,} {status}" for status, count in sorted(value["counts"].items())))
    if value["has_more"]:
        out.line(f"… more: --before {value['next']}")


def _brought(result: dict[str, Any] | None) -> str:
    if not result:
        return ""
    if result.get("unchanged"):
        return "unchanged"
    if "expanded" in result:
        return f"{result['expanded']} items found"
    return f"{result.get('passages', 0):,} passages"


def show_job(context: Context, job: str) -> dict[str, Any]:
    async def work(jobs: Jobs) -> dict[str, Any]:
        from fairlead.pipeline.jobs import job_view

        return job_view(await jobs.get(job))

    return with_jobs(context, work, create=False)


def print_job(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['id']}  {value['status']}  {value['stage']} {value['progress']}%")
    out.line(f"  {'address':<12}{value['address']}")
    out.line(f"  {'created':<12}{value['created']} by {value['cause']}")
    out.line(f"  {'attempts':<12}{value['attempts']}")
    for name, step in value["steps"].items():
        out.line(f"  {name:<16}{step['status']} {step['progress']}%")
    if value["error"]:
        out.line(f"  {'error':<12}{value['error']}")
        out.line(f"  {'':<12}{value['remedy']}")
    for name, fact in (value["result"] or {}).items():
        out.line(f"  {name:<12}{fact}")


def retry(context: Context, job: list[str] | None = None, every: bool = False) -> dict[str, Any]:
    from fairlead.errors import InvalidInputError

    if bool(job) == every:
        raise InvalidInputError("name jobs, or give --every.", remedy="See `fairlead jobs list`.", field="job")

    async def work(jobs: Jobs) -> dict[str, Any]:
        from fairlead.errors import ConflictError
        from fairlead.pipeline.jobs import job_view

        ids = list(job or ()) if not every else [row.id for row in await jobs.list(statuses=("error",), limit=10_000)]
        retried, left = [], []
        for one in ids:
            try:
                retried.append(job_view(await jobs.retry(one, cause=context.cause)))
            except ConflictError as exc:
                if not every:
                    raise
                left.append({"id": one, "reason": exc.message})
        return {"items": retried, "left": left}

    return with_jobs(context, work, create=True)


def cancel(context: Context, job: list[str]) -> dict[str, Any]:
    async def work(jobs: Jobs) -> dict[str, Any]:
        from fairlead.pipeline.jobs import job_view

        return {"items": [job_view(await jobs.cancel(one, cause=context.cause)) for one in job]}

    return with_jobs(context, work, create=True)


def print_changed(value: dict[str, Any], out: Output) -> None:
    for item in value["items"]:
        out.line(f"{item['id'][-8:]}  {item['status']:<10}{item['address']}")
    for left in value.get("left", ()):
        out.line(f"{left['id'][-8:]}  left as it is: {left['reason']}")
    if not value["items"] and not value.get("left"):
        out.line("Nothing to do.")


def watch(context: Context, job: str | None = None, batch: str | None = None) -> Iterator[dict[str, Any]]:
    """The jobs' events as they happen, until the jobs that were meant are settled."""
    from fairlead.pipeline.jobs import find_job
    from fairlead.store.pipeline import SETTLED, count_jobs
    from fairlead.verbs.runs import follow

    app = context.open(create=False)
    try:
        tenant = str(app.tenant)
        one = None if job is None else app.database.read_sync(lambda r: find_job(r, tenant, job))
        types = tuple(name for name in _types() if name.startswith("job."))

        def settled() -> bool:
            if one is not None:
                return app.database.read_sync(lambda r: find_job(r, tenant, one.id)).status in SETTLED
            counts = app.database.read_sync(lambda r: count_jobs(r, tenant, batch))
            return not counts.get("pending", 0) + counts.get("running", 0)

        subject = None if one is None else one.id
        for event in follow(app, 0, until=settled, tenant=tenant, subject=subject, types=types):
            if batch is None or event.data.get("batch") == batch:
                yield event.to_dict()
    finally:
        app.database.close()


def _types() -> tuple[str, ...]:
    from fairlead.events import EVENT_TYPES

    return tuple(EVENT_TYPES)


def _print_event(value: dict[str, Any], out: Output) -> None:
    from fairlead.verbs.runs import print_event

    print_event(value, out)


def run(context: Context, once: bool = False, processes: int | None = None) -> dict[str, Any]:
    """Carries out what waits, whoever submitted it for this tenant."""
    from fairlead.verbs.taking_in import work_here

    return work_here(context, once=once, processes=processes)


def print_work(value: dict[str, Any], out: Output) -> None:
    from fairlead.verbs.taking_in import print_taken_in

    print_taken_in(value, out)


VERBS: tuple[Verb, ...] = (
    Verb(
        "jobs",
        "list",
        "what is to be taken in, is being taken in, and was",
        list_jobs,
        params=(
            Param("status", "str", "only jobs with this status", choices=_STATUSES, aliases=("-s",)),
            Param("batch", "str", "only what was submitted together"),
            Param("limit", "int", "how many", default=50, aliases=("-n",)),
            Param("before", "str", "only jobs before this id: `next` of the page before"),
        ),
        show=show_list,
    ),
    Verb("jobs", "show", "one job: stage, steps, result or error", show_job, params=(_JOB,), show=print_job),
    Verb(
        "jobs",
        "retry",
        "do failed or cancelled jobs again",
        retry,
        params=(
            Param("job", "str", "ids of jobs, or the ends of them", positional=True, many=True),
            Param("every", "bool", "all that failed", aliases=("--all",)),
        ),
        show=print_changed,
        role="operator",
        changes=True,
    ),
    Verb(
        "jobs",
        "cancel",
        "take jobs back that are not done yet",
        cancel,
        params=(Param("job", "str", "ids of jobs, or the ends of them", positional=True, required=True, many=True),),
        show=print_changed,
        role="operator",
        changes=True,
    ),
    Verb(
        "jobs",
        "watch",
        "what jobs do, as it happens, until they are settled",
        watch,
        params=(
            Param("job", "str", "only this job", positional=True),
            Param("batch", "str", "only what was submitted together"),
        ),
        show=_print_event,
    ),
    Verb(
        "jobs",
        "run",
        "carry out the jobs that wait",
        run,
        params=(
            Param("once", "bool", "end when nothing is left, instead of going on"),
            Param("processes", "int", "processes for analysis; as many as there are cores unless stated"),
        ),
        show=print_work,
        description="Jobs are kept in the store: several of these may run at once, also beside `fairlead serve`.",
        role="operator",
        changes=True,
    ),
)
