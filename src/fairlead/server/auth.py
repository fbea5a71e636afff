"""From a bearer token to a caller: API keys by their hash, and signed tokens of a configured issuer."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import orjson

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError, UnavailableError
from fairlead.server.access import Caller
from fairlead.server.problems import UnauthorisedError
from fairlead.settings import Settings
from fairlead.store.database import Database
from fairlead.store.keys import key_by_id, touch_key
from fairlead.tenancy import make_tenant
from fairlead.verbs.table import ROLES

_log = logging.getLogger(__name__)
_NOBODY = hashlib.sha256(b"no key").hexdigest()
_TOUCH_EVERY = 60.0
_ALGORITHMS = {"oct": ("HS256", "HS384", "HS512"), "RSA": ("RS256", "RS384", "RS512"), "EC": ("ES256", "ES384")}


class Authority:
    """Says who a bearer token is. Keys are looked up for every request, so that a revocation holds at once and for
    every process over the store."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._touched: dict[str, float] = {}
        self._tokens = Tokens(settings, clock) if settings.jwt_issuer else None

    def identify(self, header: str | None) -> Caller:
        """The caller that an ``Authorization`` header names, else :class:`UnauthorisedError`, alike for all reasons."""
        scheme, _, token = (header or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise UnauthorisedError(
                "this needs a key.", remedy="Send `Authorization: Bearer KEY`; make one with `fairlead key create`."
            )
        if token.startswith("fl_"):
            return self._by_key(token)
        if self._tokens is not None:
            return self._tokens.read(token)
        raise _unknown()

    def _by_key(self, token: str) -> Caller:
        key_id = "key_" + token.split("_", 2)[1]
        row = self._database.read_sync(lambda r: key_by_id(r, key_id))
        digest = hashlib.sha256(token.encode()).hexdigest()
        # Compared in constant time, and also when there is no such key, so that time tells nothing.
        matches = hmac.compare_digest(digest, _NOBODY if row is None else row.hash)
        now = self._clock.now()
        if row is None or not matches or row.revoked is not None or (row.expires is not None and row.expires <= now):
            raise _unknown()
        if now - self._touched.get(key_id, 0.0) >= _TOUCH_EVERY:
            self._touched[key_id] = now
            self._database.later(lambda tx: touch_key(tx, key_id, now))
        tenant, _, workspace = row.tenant.partition(":")
        return Caller(row.id, row.name, make_tenant(tenant, workspace), row.role, row.scopes)


class Tokens:
    """JSON Web Tokens (RFC 7519) of one issuer, verified with its JWK set. The file is read again when it changes."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._path = Path(settings.jwt_jwks)
        self._clock = clock
        self._stamp: tuple[int, int] | None = None
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._load()

    def read(self, token: str) -> Caller:
        """The caller that a token names by ``sub``, ``tenant``, ``workspace``, ``role`` and ``scope``."""
        try:
            self._load()
        except InvalidInputError as exc:
            # Nobody is let in by keys that may have been taken back, and nobody is told that the token is at fault.
            _log.error("%s", exc)
            raise UnavailableError("tokens cannot be checked just now.", remedy="Ask again.", retry_after=5) from exc
        try:
            key = self._keys[str(jwt.get_unverified_header(token).get("kid", ""))]
            claims = jwt.decode(
                token,
                key,
                # What the key is for decides, never what the token says of itself.
                algorithms=_ALGORITHMS[key.key_type or ""],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            )
            return _caller_of(claims)
        except (jwt.PyJWTError, KeyError, ValueError, InvalidInputError):
            raise _unknown() from None

    def _load(self) -> None:
        try:
            stat = self._path.stat()
            if (stamp := (stat.st_mtime_ns, stat.st_size)) == self._stamp:
                return
            found = orjson.loads(self._path.read_bytes())
            # A set without keys takes all of them back.
            keys = jwt.PyJWKSet.from_dict(found).keys if found["keys"] else []
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as exc:
            raise InvalidInputError(
                f"the key set {self._path} cannot be used: {exc}.", remedy="Mend jwt_jwks.", field="jwt_jwks"
            ) from exc
        self._keys = {key.key_id or "": key for key in keys if key.key_type in _ALGORITHMS}
        self._stamp = stamp


def _caller_of(claims: Mapping[str, Any]) -> Caller:
    role = str(claims.get("role", ""))
    if role not in ROLES:
        raise ValueError(role)
    tenant = make_tenant(str(claims["tenant"]), str(claims.get("workspace", "main")))
    subject = str(claims["sub"])
    return Caller(f"token:{subject}", subject, tenant, role, tuple(str(claims.get("scope", "*")).split()))


def _unknown() -> UnauthorisedError:
    return UnauthorisedError(
        "this key is not valid.", remedy="It may be misspelt, revoked or expired; ask for a new one."
    )
