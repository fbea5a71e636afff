"""Verbs of `publish`: a brief taken to where people read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.app import Fairlead
    from fairlead.store.port import RunRow
    from fairlead.verbs.context import Context, Output


def discord(context: Context, run: str, webhook: str, again: bool = False) -> dict[str, Any]:
    """Posts the brief of a run; ``messages`` says of each whether it was posted now or before."""
    import asyncio

    from fairlead.pipeline.publish.discord import parse_webhook
    from fairlead.pipeline.publish.discord_post import messages_of
    from fairlead.verbs.finding import find_run

    place = parse_webhook(_address(context, webhook))
    app = context.open(create=False)
    try:
        row = find_run(app, run)
        payloads = messages_of(_brief_of(app, row))
        outcomes = asyncio.run(_publish(app, context.cause, row, payloads, place, again))
    finally:
        app.database.close()
    return {"run": row.id, "place": "discord", "webhook": place.id, "messages": outcomes}


def _address(context: Context, word: str) -> str:
    """The webhook itself, or the one in an environment variable, so that it is in no list of processes."""
    from fairlead.errors import ForbiddenError, InvalidInputError

    kind, _, name = word.partition(":")
    if kind != "env":
        return word
    if context.on_behalf:
        raise ForbiddenError(
            "variables of the server cannot be named from elsewhere.", remedy="Give the address itself."
        )
    from fairlead.settings import read_variable

    value = read_variable(name)
    if not value:
        raise InvalidInputError(
            f"the variable {name!r} is not set.", remedy="Set it to the webhook's address.", field="webhook"
        )
    return value


def _brief_of(app: Fairlead, row: RunRow) -> dict[str, Any]:
    from fairlead.errors import NotFoundError
    from fairlead.store.codec import decode

    for step in sorted(app.store.journal_sync(row.id), key=lambda step: step.key != "brief"):
        value = decode(step.value) if step.value is not None and step.status == "success" else None
        if isinstance(value, dict) and {"version", "lead", "themes", "documents", "numbers"} <= value.keys():
            return value
    raise NotFoundError(
        f"run {row.id} has no brief.", remedy="Give a completed run of content-brief; see `fairlead runs list`."
    )


async def _publish(
    app: Fairlead, cause: str, row: RunRow, payloads: list[dict[str, Any]], place: Any, again: bool
) -> list[dict[str, Any]]:
    import random

    from fairlead.events import Draft, draft
    from fairlead.pipeline.fetch import Fetcher, make_rules
    from fairlead.pipeline.publish.discord import publish
    from fairlead.pipeline.sources.options import load_options
    from fairlead.store.publications import SqlPublications

    def make_draft(type_: str, data: dict[str, Any]) -> Draft:
        return draft(type_, row.tenant, row.id, data, source="publish", cause=cause, time=app.clock.now())

    rules = make_rules(load_options(app.settings.home).allow_private)
    publications = SqlPublications(app.database, row.tenant, row.id, make_draft)
    async with Fetcher(app.clock, random.Random(), rules=rules, robots=False) as fetcher:
        return await publish(payloads, place, fetcher, publications, app.clock, again=again)


def show_outcome(value: dict[str, Any], out: Output) -> None:
    posted = sum(message["posted"] for message in value["messages"])
    before = len(value["messages"]) - posted
    out.line(f"Posted {posted} message{'s' * (posted != 1)} of {value['run']} to Discord webhook {value['webhook']}.")
    if before:
        out.line(f"{before} had been posted before; --again posts them once more.")


VERBS: tuple[Verb, ...] = (
    Verb(
        "publish",
        "discord",
        "post the brief of a run to a Discord channel, once",
        discord,
        params=(
            Param("run", "str", "id of the run, its last characters, or `latest`", positional=True, required=True),
            Param("webhook", "str", "the webhook's address, or env:NAME of the variable that holds it", required=True),
            Param("again", "bool", "post also what was posted before, or may have been"),
        ),
        show=show_outcome,
        description="Keeps to Discord's limits, waits when asked to, and mentions nobody. What was posted is recorded "
        "with the run, so that publishing again posts only what is missing. The token is never shown or kept.",
        examples=(
            "fairlead publish discord latest --webhook https://discord.com/api/webhooks/ID/TOKEN",
            "fairlead publish discord latest --webhook env:TEAM_WEBHOOK --json",
        ),
        role="operator",
        changes=True,
    ),
)
