"""Verbs of `key`: who may call the server. The key itself is shown once, when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.verbs.table import ROLES, Param, Verb

if TYPE_CHECKING:
    from fairlead.store.keys import AuditRow, KeyRow
    from fairlead.verbs.context import Context, Output


def make_secret(key_id: str) -> tuple[str, str]:
    """(the key to show once, the hash to keep). 256 random bits need no slow hash: they cannot be guessed."""
    import hashlib
    import secrets

    token = f"fl_{key_id.removeprefix('key_')}_{secrets.token_urlsafe(32)}"
    return token, hashlib.sha256(token.encode()).hexdigest()


def create(
    context: Context,
    name: str,
    role: str = "viewer",
    scope: list[str] | None = None,
    expires: float | None = None,
) -> dict[str, Any]:
    from fairlead.errors import InvalidInputError
    from fairlead.events import draft
    from fairlead.ids import new_id
    from fairlead.store.database import Transaction
    from fairlead.store.keys import KeyRow, add_key

    if not name.strip() or len(name) > 100:
        raise InvalidInputError("name must have 1 to 100 characters.", remedy="Say who or what uses it.", field="name")
    if expires is not None and not 0 < expires <= 36_500:
        raise InvalidInputError(
            f"expires is {expires:g} days.", remedy="Give more than 0 and at most 36,500.", field="expires"
        )
    app = context.open(create=True)
    try:
        now, key_id = app.clock.now(), new_id("key")
        token, digest = make_secret(key_id)
        until = None if expires is None else now + expires * 86_400
        scopes = tuple(scope or ("*",))
        row = KeyRow(key_id, str(app.tenant), name, digest, role, scopes, context.cause, now, until, None, None)

        def unit(tx: Transaction) -> None:
            add_key(tx, row)
            facts = {"name": name, "role": role, "scopes": list(scopes)}
            tx.emit(draft("key.created", row.tenant, key_id, facts, source="access", cause=context.cause, time=now))

        app.database.write_sync(unit)
        return {**describe(row), "key": token}
    finally:
        app.database.close()


def list_keys(context: Context) -> dict[str, Any]:
    from fairlead.store.keys import keys_of

    app = context.open(create=False)
    try:
        rows = app.database.read_sync(lambda r: keys_of(r, str(app.tenant)))
        return {"items": [describe(row) for row in rows], "has_more": False}
    finally:
        app.database.close()


def revoke(context: Context, key: str) -> dict[str, Any]:
    from fairlead.errors import NotFoundError
    from fairlead.events import draft
    from fairlead.store.database import Transaction
    from fairlead.store.keys import key_by_id, revoke_key

    app = context.open(create=True)
    try:
        tenant, now = str(app.tenant), app.clock.now()

        def unit(tx: Transaction) -> KeyRow | None:
            if revoke_key(tx, tenant, key, now):
                tx.emit(draft("key.revoked", tenant, key, {}, source="access", cause=context.cause, time=now))
            return key_by_id(tx, key)

        row = app.database.write_sync(unit)
        if row is None or row.tenant != tenant:
            raise NotFoundError(f"there is no key {key!r}.", remedy="See `fairlead key list`.", key=key)
        return describe(row)
    finally:
        app.database.close()


def audit(context: Context, limit: int = 50, before: str | None = None) -> dict[str, Any]:
    """The newest decisions about calls of the server; `before` pages by id."""
    from fairlead.store.keys import audit_of

    app = context.open(create=False)
    try:
        rows = app.database.read_sync(lambda r: audit_of(r, str(app.tenant), limit=limit + 1, before=before))
        return {"items": [_decision(row) for row in rows[:limit]], "has_more": len(rows) > limit}
    finally:
        app.database.close()


def describe(row: KeyRow) -> dict[str, Any]:
    """What may be shown of a key: everything but its hash."""
    from fairlead.clock import isoformat

    facts = row._asdict()
    del facts["hash"]
    for name in ("created", "expires", "revoked", "last_used"):
        facts[name] = None if facts[name] is None else isoformat(facts[name])
    facts["scopes"] = list(row.scopes)
    return facts


def _decision(row: AuditRow) -> dict[str, Any]:
    from fairlead.clock import isoformat

    return {**row._asdict(), "time": isoformat(row.time)}


def show_created(value: dict[str, Any], out: Output) -> None:
    out.line(value["key"])
    out.line(f"{value['role']} key {value['id']} for {value['tenant']}; it is not shown again.")


def show_list(value: dict[str, Any], out: Output) -> None:
    for item in value["items"]:
        state = "revoked" if item["revoked"] else f"last used {item['last_used'] or 'never'}"
        out.line(f"{item['id']}  {item['role']:<9}{item['name']}  {', '.join(item['scopes'])}  {state}")
    if not value["items"]:
        out.line("No keys yet. Make one: fairlead key create NAME --role operator")


VERBS: tuple[Verb, ...] = (
    Verb(
        "key",
        "create",
        "make an API key for this tenant and workspace; it is shown once",
        create,
        params=(
            Param("name", "str", "who or what uses it", positional=True, required=True),
            Param("role", "str", "what it may do at most", choices=ROLES, default="viewer"),
            Param(
                "scope",
                "str",
                "verbs it may call, as `runs.*` or `memory.recall`; `permissions:bypass` and `commands:run` are never "
                "part of `*`",
                many=True,
            ),
            Param("expires", "float", "days until it ends"),
        ),
        show=show_created,
        role="admin",
        changes=True,
    ),
    Verb("key", "list", "the API keys, without their secrets", list_keys, show=show_list, role="admin"),
    Verb(
        "key",
        "revoke",
        "end an API key at once",
        revoke,
        params=(Param("key", "str", "id of the key", positional=True, required=True),),
        role="admin",
        changes=True,
    ),
    Verb(
        "key",
        "audit",
        "what was decided about calls of the server, the newest first",
        audit,
        params=(
            Param("limit", "int", "how many", default=50, aliases=("-n",)),
            Param("before", "str", "only decisions before the one with this id"),
        ),
        role="admin",
    ),
)
