"""Verbs of `cost`: what was spent, on what, and what is to come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.gateway.accounts import Accounts
    from fairlead.verbs.context import Context, Output

GROUPS = ("agent", "run", "step", "model", "tenant", "workspace", "epic", "tier", "task_type", "outcome")
_MOST_CALLS = 100_000


@contextmanager
def _accounts(context: Context) -> Iterator[Accounts]:
    from fairlead.gateway.accounts import Accounts

    lead = context.open(create=False)
    try:
        yield Accounts(lead.database, lead.clock)
    finally:
        lead.database.close()


def summary(context: Context, days: float = 30.0) -> dict[str, Any]:
    with _accounts(context) as accounts:
        return accounts.summary(context.tenant.tenant_id, days=days)


def by(context: Context, group: str, days: float = 30.0) -> dict[str, Any]:
    with _accounts(context) as accounts:
        return {"group": group, "items": accounts.by(context.tenant.tenant_id, group, days=days), "has_more": False}


def tree(context: Context, days: float = 30.0) -> dict[str, Any]:
    with _accounts(context) as accounts:
        return accounts.tree(context.tenant.tenant_id, days=days)


def calls(context: Context, run: str = "", days: float = 30.0, limit: int = 50) -> dict[str, Any]:
    with _accounts(context) as accounts:
        found = accounts.calls(context.tenant.tenant_id, run=run, days=days, limit=limit + 1)
    return {"items": found[:limit], "has_more": len(found) > limit}


def forecast(context: Context, hours: int = 24 * 7) -> dict[str, Any]:
    from fairlead.errors import InvalidInputError
    from fairlead.gateway.forecast import forecast as predict

    if not 1 <= hours <= 24 * 366:
        raise InvalidInputError(f"hours {hours} is not from 1 to a year.", remedy="Give 1 to 8784.", field="hours")
    with _accounts(context) as accounts:
        _, series = accounts.series(context.tenant.tenant_id)
    # The hour that has not ended would look like a sudden drop.
    found = predict(series[:-1], hours)
    return {"hours": hours, "history_hours": max(0, len(series) - 1), **found.to_dict()}


def report(context: Context, reference: str, days: float = 30.0) -> dict[str, Any]:
    from fairlead.errors import InvalidInputError
    from fairlead.gateway.catalogue import Catalogue
    from fairlead.gateway.config import config_of
    from fairlead.gateway.savings import report as replayed
    from fairlead.store.gateway import calls_of

    lead = context.open(create=False)
    try:
        config = config_of(context.settings)
        price = Catalogue(config, lead.clock).get(reference).price
        if price is None:
            raise InvalidInputError(
                f"the price of {reference!r} is unknown, so nothing can be replayed against it.",
                remedy="Name a model whose price is known, or state its price in gateway.toml under [models].",
                field="reference",
                value=reference,
            )
        since = lead.clock.now() - days * 86400
        tenant = context.tenant.tenant_id
        found = lead.database.read_sync(lambda r: calls_of(r, tenant, since=since, limit=_MOST_CALLS))
    finally:
        lead.database.close()
    return {"days": days, **replayed(found, reference, price).to_dict()}


def alerts(context: Context) -> dict[str, Any]:
    from fairlead.gateway.watch import SpendingWatch

    lead = context.open(create=True)
    try:
        tenant = context.tenant
        return {"items": SpendingWatch(lead.database, lead.clock).look(*tenant), "has_more": False}
    finally:
        lead.database.close()


# ── printing ─────────────────────────────────────────────────────────────────────────────────────────────────


def _money(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6f}" if abs(value) < 0.01 else f"{value:,.4f}"


def print_summary(value: dict[str, Any], out: Output) -> None:
    out.line(f"last {value['days']:g} days   {_money(value['cost'])} USD")
    out.line(f"calls         {value['calls']} ({value['succeeded']} answered)")
    out.line(f"in flight     {_money(value['in_flight'])} USD reserved")
    out.line(f"failed calls  {_money(value['lost'])} USD, within the sum")
    out.line(
        f"tokens        {value['fresh_tokens']:,} fresh and {value['cached_tokens']:,} cached in, "
        f"{value['output_tokens']:,} out, {value['tokens_saved']:,} saved"
    )
    if value["unpriced"]:
        out.line(f"unpriced      {value['unpriced']} calls at unknown prices, which the sum leaves out")


def print_groups(value: dict[str, Any], out: Output) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(value["group"].replace("_", " "))
    for column in ("calls", "USD", "failed USD", "tokens in", "cached", "tokens out", "unpriced"):
        table.add_column(column, justify="right")
    for item in value["items"]:
        table.add_row(
            str(item[value["group"]]) or "-",
            str(item["calls"]),
            _money(item["cost"]),
            _money(item["lost"]),
            f"{item['input_tokens']:,}",
            f"{item['cached_tokens']:,}",
            f"{item['output_tokens']:,}",
            str(item["unpriced"] or ""),
        )
    out.print(table)


def print_tree(value: dict[str, Any], out: Output) -> None:
    from rich.tree import Tree

    def grown(node: dict[str, Any], at: Tree | None) -> Tree:
        label = f"{node['kind']} {node['name']}  {_money(node['cost'])} USD  {node['calls']} calls"
        branch = Tree(label) if at is None else at.add(label)
        for child in node["children"]:
            grown(child, branch)
        return branch

    out.print(grown(value, None))


def print_forecast(value: dict[str, Any], out: Output) -> None:
    band = f"{_money(value['low'])} to {_money(value['high'])}"
    out.line(f"next {value['hours']} hours   {_money(value['total'])} USD ({band})")
    backtest = value["backtest"]
    if backtest["seasonal"] is None:
        out.line(
            f"from {value['history_hours']} hours of history, too few to test a method on: the last hour, repeated"
        )
        return
    out.line(
        f"method {value['method']}; mean error per hour in the backtest: seasonal {_money(backtest['seasonal'])}, "
        f"naive {_money(backtest['naive'])} USD"
    )


def print_report(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['requests']} requests of the last {value['days']:g} days, replayed at {value['reference_model']}")
    out.line(f"always {value['reference_model']}   {_money(value['reference'])} USD")
    out.line(f"as it was   {_money(value['real'])} USD, of which {_money(value['failed_cost'])} for failed attempts")
    if value["share_saved"] is None:
        out.line("Nothing to compare.")
        return
    low, high = value["interval"]
    word = "saved" if value["share_saved"] >= 0 else "lost"
    out.line(f"{word} {abs(value['share_saved']):.1%} (95 %: {low:.1%} to {high:.1%})")
    for lever, factor in value["factors"].items():
        out.line(f"  {lever.replace('_', ' ')}: x {factor:.3f}")
    quality = "no answer was judged" if value["mean_quality"] is None else f"mean quality {value['mean_quality']:.2f}"
    out.line(f"{quality} ({value['judged']} judged)")
    if value["unpriced"]:
        out.line(f"{value['unpriced']} requests at unknown prices are left out")


def print_alerts(value: dict[str, Any], out: Output) -> None:
    if not value["items"]:
        out.line("Nothing unusual.")
    for item in value["items"]:
        out.line(f"{item['severity']}: {item['what']}")


_DAYS = Param("days", "float", "how far back", default=30.0)

VERBS: tuple[Verb, ...] = (
    Verb("cost", "summary", "what was spent", summary, params=(_DAYS,), show=print_summary),
    Verb(
        "cost",
        "by",
        "what was spent, by agent, run, step, model, tenant ...",
        by,
        params=(Param("group", "str", "what to sum by", positional=True, required=True, choices=GROUPS), _DAYS),
        show=print_groups,
    ),
    Verb("cost", "tree", "what was spent, as work was nested", tree, params=(_DAYS,), show=print_tree),
    Verb(
        "cost",
        "calls",
        "single calls, the newest first",
        calls,
        params=(
            Param("run", "str", "only of this run", default=""),
            _DAYS,
            Param("limit", "int", "how many", default=50),
        ),
    ),
    Verb(
        "cost",
        "forecast",
        "what is to come, by a method that was tested on the past",
        forecast,
        params=(Param("hours", "int", "how far ahead", default=168),),
        show=print_forecast,
    ),
    Verb(
        "cost",
        "report",
        "what always using one model would have cost instead",
        report,
        params=(
            Param("reference", "str", "that model, as provider:model", positional=True, required=True),
            _DAYS,
        ),
        show=print_report,
        description="Replays every request with the tokens it really took. Failed attempts are on the bill, and "
        "negative savings are shown.",
        examples=("fairlead cost report openai:gpt-4o --days 7",),
    ),
    Verb(
        "cost",
        "alerts",
        "unusual spending and budgets that burn too fast",
        alerts,
        show=print_alerts,
        role="operator",
        changes=True,
    ),
)
