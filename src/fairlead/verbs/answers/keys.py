"""What the verbs of keys answer. Times are ISO 8601 in UTC."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from fairlead.verbs.answers.shapes import Page


class Key(TypedDict):
    """An API key, without its secret. ``tenant`` is ``tenant:workspace``."""

    id: str
    tenant: str
    name: str
    role: str
    scopes: list[str]
    cause: str
    created: str
    expires: str | None
    revoked: str | None
    last_used: str | None


class NewKey(Key):
    """A key with its secret, which is shown only now."""

    key: str


class Decision(TypedDict):
    """What was decided about a call."""

    id: str
    time: str
    tenant: str
    actor: str
    action: str
    outcome: str
    reason: str
    request: str


ANSWERS: dict[str, Any] = {
    "key.create": NewKey,
    "key.list": Page[Key],
    "key.revoke": Key,
    "key.audit": Page[Decision],
}
