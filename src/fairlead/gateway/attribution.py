"""Attribution: what a model call is for, carried by a context variable through parallel work.

Whoever starts work names it; everything called inside, however deep and on however many tasks, is billed to it.
Nested names make the path of a tree: an agent that calls another agent appears above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from fairlead.errors import TenantMissingError
from fairlead.tenancy import current_tenant

SCOPES = ("tenant", "workspace", "epic", "agent", "run", "step")
"""Scopes from the widest to the narrowest, as budgets know them."""


class Attribution(NamedTuple):
    """Who and what a call is for. Empty fields are not known. ``path`` holds ``kind=name`` parts, outermost first."""

    tenant: str = ""
    workspace: str = ""
    epic: str = ""
    agent: str = ""
    run: str = ""
    step: str = ""
    path: tuple[str, ...] = ()

    def subject(self, scope: str) -> str:
        """The value of one of :data:`SCOPES`."""
        value: str = getattr(self, scope)
        return value


_current: ContextVar[Attribution | None] = ContextVar("fairlead_attribution", default=None)
_NOTHING = Attribution()


def current_attribution() -> Attribution:
    """What is attributed so far, with tenant and workspace taken from the tenancy when not stated."""
    found = _current.get() or _NOTHING
    if found.tenant:
        return found
    tenant = current_tenant()
    return found if tenant is None else found._replace(tenant=tenant.tenant_id, workspace=tenant.workspace_id)


def require_attribution() -> Attribution:
    """:func:`current_attribution`; :class:`TenantMissingError` when no tenant is known."""
    found = current_attribution()
    if not found.tenant:
        raise TenantMissingError(
            "a model call needs a tenant to be billed to and the current context has none.",
            remedy="Run it inside `with use_tenant(make_tenant('name'))`.",
        )
    return found


@contextmanager
def attribute(
    *, tenant: str = "", workspace: str = "", epic: str = "", agent: str = "", run: str = "", step: str = ""
) -> Iterator[Attribution]:
    """Names the work of a block. Fields that are left out keep their outer value; a new agent or run starts without
    the outer step."""
    outer = _current.get() or _NOTHING
    given = {"epic": epic, "run": run, "agent": agent, "step": step}
    path = outer.path + tuple(f"{kind}={name}" for kind, name in given.items() if name)
    inherited_step = "" if agent or run else outer.step
    inner = Attribution(
        tenant or outer.tenant,
        workspace or outer.workspace,
        epic or outer.epic,
        agent or outer.agent,
        run or outer.run,
        step or inherited_step,
        path,
    )
    token = _current.set(inner)
    try:
        yield current_attribution()
    finally:
        _current.reset(token)
