"""Tenancy: who the current work belongs to. A missing tenant is an error, never a default.

The context travels in a :mod:`contextvars` variable, so that it follows a task and its children and cannot leak
between tasks that share a thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from fairlead.errors import InvalidInputError, TenantMissingError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")


class Tenant(NamedTuple):
    """The owner of work: a tenant and one of its workspaces."""

    tenant_id: str
    workspace_id: str = "main"

    def namespace(self, name: str) -> str:
        """``tenant:workspace:name``, the key under which memory and indexes are kept apart."""
        return f"{self.tenant_id}:{self.workspace_id}:{check_name('namespace', name)}"

    def __str__(self) -> str:
        return f"{self.tenant_id}:{self.workspace_id}"


_current: ContextVar[Tenant | None] = ContextVar("fairlead_tenant", default=None)


def check_name(field: str, value: str) -> str:
    """``value`` when it can be part of a namespace, else :class:`InvalidInputError`."""
    if not _NAME.match(value):
        raise InvalidInputError(
            f"{field} {value!r} is not a valid name.",
            remedy="Use 1 to 63 lower-case letters, digits, dots, dashes or underscores, a letter or digit first.",
            field=field,
            value=value,
        )
    return value


def make_tenant(tenant_id: str, workspace_id: str = "main") -> Tenant:
    """A checked :class:`Tenant`."""
    return Tenant(check_name("tenant", tenant_id), check_name("workspace", workspace_id))


def current_tenant() -> Tenant | None:
    """The tenant of the current context, or None."""
    return _current.get()


def require_tenant() -> Tenant:
    """The tenant of the current context; :class:`TenantMissingError` when there is none."""
    tenant = _current.get()
    if tenant is None:
        raise TenantMissingError(
            "this operation needs a tenant and the current context has none.",
            remedy="Run it inside `with use_tenant(make_tenant('name'))`, or pass --tenant.",
        )
    return tenant


@contextmanager
def use_tenant(tenant: Tenant) -> Iterator[Tenant]:
    """Makes ``tenant`` current for the block."""
    token = _current.set(make_tenant(*tenant))
    try:
        yield tenant
    finally:
        _current.reset(token)


def adopt_tenant(tenant: Tenant) -> None:
    """Makes an already checked tenant current for the rest of this context; for a task's own context."""
    _current.set(tenant)
