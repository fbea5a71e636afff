"""Verbs of `budget`: limits that refuse before the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.gateway.budgets import BudgetBook
    from fairlead.verbs.context import Context, Output

SCOPES = ("tenant", "workspace", "epic", "agent", "run", "step")
PERIODS = ("request", "hour", "day", "month", "total")


@contextmanager
def _book(context: Context, *, create: bool) -> Iterator[BudgetBook]:
    from fairlead.gateway.budgets import BudgetBook

    lead = context.open(create=create)
    try:
        yield BudgetBook(lead.database, lead.clock)
    finally:
        lead.database.close()


def set_budget(
    context: Context,
    scope: str,
    subject: str,
    amount: str,
    period: str = "month",
    on_limit: str = "refuse",
    local_only_at: int = 90,
) -> dict[str, Any]:
    with _book(context, create=True) as book:
        return book.set(
            context.tenant.tenant_id,
            scope,
            subject,
            amount,
            period=period,
            on_limit=on_limit,
            local_only_at=local_only_at,
            cause=context.cause,
        )


def list_budgets(context: Context) -> dict[str, Any]:
    with _book(context, create=False) as book:
        return {"items": book.all(context.tenant.tenant_id), "has_more": False}


def show_budget(context: Context, budget: str) -> dict[str, Any]:
    with _book(context, create=False) as book:
        return book.show(context.tenant.tenant_id, budget)


def delete_budget(context: Context, budget: str) -> dict[str, Any]:
    with _book(context, create=False) as reading:
        reading.show(context.tenant.tenant_id, budget)
    with _book(context, create=True) as book:
        book.delete(context.tenant.tenant_id, budget)
    return {"id": budget, "deleted": True}


def print_budget(value: dict[str, Any], out: Output) -> None:
    print_budgets({"items": [value]}, out)


def print_budgets(value: dict[str, Any], out: Output) -> None:
    if not value["items"]:
        out.line("No budget is set. Set one with `fairlead budget set tenant NAME AMOUNT`.")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "scope", "subject", "period", "limit", "spent", "in flight", "used", "at the limit"):
        table.add_column(column, justify="right" if column in ("limit", "spent", "in flight", "used") else "left")
    for item in value["items"]:
        windows = item["windows"] or [{"subject": item["subject"], "spent": 0.0, "reserved": 0.0, "used": 0.0}]
        for window in windows:
            table.add_row(
                item["id"],
                item["scope"],
                window["subject"],
                item["period"],
                f"{item['limit']:.6g}",
                f"{window['spent']:.6g}",
                f"{window['reserved']:.6g}",
                f"{window['used']:.0%}",
                item["on_limit"],
            )
    out.print(table)


_ID = Param("budget", "str", "id of the budget", positional=True, required=True)

VERBS: tuple[Verb, ...] = (
    Verb(
        "budget",
        "set",
        "limit what a tenant, workspace, epic, agent, run or step may cost",
        set_budget,
        params=(
            Param("scope", "str", "what is limited", positional=True, required=True, choices=SCOPES),
            Param("subject", "str", "its name, or * to limit each one by itself", positional=True, required=True),
            Param("amount", "str", "US dollars", positional=True, required=True),
            Param("period", "str", "what the amount is for", default="month", choices=PERIODS, aliases=("--per",)),
            Param("on_limit", "str", "refuse calls, or pause and ask", default="refuse", choices=("refuse", "ask")),
            Param(
                "local_only_at", "int", "percent from which on only local models are used; 101 for never", default=90
            ),
        ),
        show=print_budget,
        description="Calls are refused before they are made. Periods are hours, days and months of UTC.",
        examples=("fairlead budget set tenant local 20 --per day", "fairlead budget set run '*' 0.50 --per total"),
        role="admin",
        changes=True,
    ),
    Verb("budget", "list", "budgets and what is used of them", list_budgets, show=print_budgets, aliases=("ls",)),
    Verb("budget", "show", "one budget", show_budget, params=(_ID,), show=print_budget),
    Verb("budget", "delete", "remove a limit", delete_budget, params=(_ID,), role="admin", changes=True),
)
