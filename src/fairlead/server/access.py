"""Who calls, and what they may do. Deciding is a pure function; what is not granted is refused."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from fairlead.errors import ForbiddenError
from fairlead.tenancy import Tenant
from fairlead.verbs.table import ROLES, Verb

BYPASS = "permissions:bypass"
COMMANDS = "commands:run"
TOOLS = "agents:tools"
SPECIAL = (BYPASS, COMMANDS, TOOLS)
"""Scopes that must be named: ``*`` does not contain them."""
IF_MATCH = "if-match:required"
"""A scope that takes something away: things are changed only as the caller has seen them (RFC 6585, 428)."""


class Caller(NamedTuple):
    """An authenticated caller. The tenant comes from the key or token, never from a request."""

    id: str
    name: str
    tenant: Tenant
    role: str
    scopes: tuple[str, ...]

    @property
    def actor(self) -> str:
        """Who is recorded as the cause."""
        return f"{self.name} ({self.id})"


def require_allowed(caller: Caller, verb: Verb, arguments: Mapping[str, Any]) -> None:
    """:class:`ForbiddenError` unless role and scopes grant ``verb`` with these arguments."""
    if rank(caller.role) < rank(verb.role):
        raise ForbiddenError(
            f"{verb.name} needs the role {verb.role}; this key has {caller.role}.",
            remedy="Use a key of that role.",
            verb=verb.name,
            needs=verb.role,
        )
    if not any(fnmatchcase(verb.name, scope) for scope in caller.scopes if scope not in SPECIAL):
        raise ForbiddenError(
            f"the scopes of this key do not contain {verb.name}.",
            remedy=f"Use a key with the scope {verb.name}.",
            verb=verb.name,
            scopes=list(caller.scopes),
        )
    for scope in needed_scopes(verb.name, arguments):
        if scope not in caller.scopes:
            raise ForbiddenError(
                f"{verb.name} like this needs the scope {scope}, which no other scope contains.",
                remedy=f"Use a key with the scope {scope}.",
                verb=verb.name,
                needs=scope,
            )
    if verb.name == "key.create":
        _require_no_more_than_own(caller, arguments)


def rank(role: str) -> int:
    """-1 for a role that does not exist, which is less than every role."""
    return ROLES.index(role) if role in ROLES else -1


def needed_scopes(verb: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The special scopes that a call needs."""
    needed = []
    if verb == "runs.command":
        needed.append(COMMANDS)
    mode = arguments.get("mode") if verb == "runs.permissions" else arguments.get("permissions")
    if mode == "bypassPermissions":
        needed.append(BYPASS)
    return tuple(needed)


def _require_no_more_than_own(caller: Caller, arguments: Mapping[str, Any]) -> None:
    if IF_MATCH in caller.scopes and IF_MATCH not in (arguments.get("scope") or ()):
        raise ForbiddenError(
            f"a key with {IF_MATCH} can make only keys that have it too.",
            remedy=f"Name {IF_MATCH} among the scopes.",
            verb="key.create",
            scope=IF_MATCH,
        )
    for scope in arguments.get("scope") or ("*",):
        if scope not in caller.scopes and ("*" not in caller.scopes or scope in SPECIAL):
            raise ForbiddenError(
                f"a key cannot give the scope {scope!r}, which it does not have.",
                remedy="Name only scopes of this key.",
                verb="key.create",
                scope=scope,
            )
