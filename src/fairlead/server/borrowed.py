"""The context of a verb that is called over the server: the caller's tenant, and a store that stays open."""

from __future__ import annotations

from typing import Any, cast

from fairlead.app import Fairlead
from fairlead.server.access import Caller
from fairlead.settings import Settings
from fairlead.store.database import Database
from fairlead.verbs.context import Context


class _Borrowed:
    """A database that whoever borrows it cannot close."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def close(self) -> None:
        """Nothing: the server goes on using it."""


class RemoteContext(Context):
    """One call on behalf of a caller elsewhere. Never interactive; what it opens is the server's own."""

    def __init__(self, lead: Fairlead, caller: Caller) -> None:
        super().__init__()
        self._lead = lead
        self._caller = caller
        self.on_behalf = caller.name

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            tenant, workspace = self._caller.tenant
            self._settings = self._lead.settings.replaced(tenant=tenant, workspace=workspace, actor=self._caller.actor)
        return self._settings

    @property
    def cause(self) -> str:
        return f"key:{self._caller.actor}"

    def open(self, *, create: bool = True) -> Fairlead:
        return Fairlead(self.settings, cast(Database, _Borrowed(self._lead.database)), clock=self._lead.clock)
