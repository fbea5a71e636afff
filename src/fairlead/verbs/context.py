"""What a verb is called with: the settings, and the parts it needs, opened when first touched."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from rich.console import Console, RenderableType

    from fairlead.app import Fairlead
    from fairlead.settings import Settings
    from fairlead.tenancy import Tenant


class Context:
    """One call of a verb on behalf of one tenant and actor."""

    def __init__(
        self,
        overrides: Mapping[str, Any] | None = None,
        *,
        interactive: bool = False,
        progress: Callable[[Any], None] | None = None,
    ) -> None:
        self._overrides = dict(overrides or {})
        self._settings: Settings | None = None
        self.interactive = interactive
        self.progress = progress

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            from fairlead.settings import load_settings

            self._settings = load_settings(self._overrides)
        return self._settings

    @property
    def tenant(self) -> Tenant:
        from fairlead.tenancy import make_tenant

        return make_tenant(self.settings.tenant, self.settings.workspace)

    @property
    def cause(self) -> str:
        """Who is recorded as the cause of a change."""
        return f"operator:{self.settings.actor}"

    def open(self, *, create: bool = True) -> Fairlead:
        """The composed application. With ``create=False`` nothing on disk is made or changed by opening."""
        from fairlead.app import Fairlead

        return Fairlead.from_settings(self.settings, create=create)


class Output:
    """Where a verb prints for a person. Rich is imported only when something asks for it."""

    def __init__(self, *, color: bool | None = None) -> None:
        self._color = color
        self._console: Console | None = None

    @property
    def is_terminal(self) -> bool:
        return sys.stdout.isatty()

    @property
    def console(self) -> Console:
        if self._console is None:
            from rich.console import Console

            # Off a terminal lines are not folded to 80 columns: what is piped is read by programs.
            width = None if self.is_terminal else 160
            self._console = Console(highlight=False, soft_wrap=False, width=width, no_color=self._color is False)
        return self._console

    def line(self, text: str = "") -> None:
        """Plain text, without markup."""
        sys.stdout.write(text + "\n")

    def print(self, *renderables: RenderableType) -> None:
        self.console.print(*renderables)
