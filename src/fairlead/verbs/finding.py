"""Finding a run by what a person types: its id, the end or the start of it, or `latest`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from fairlead.app import Fairlead
    from fairlead.store.port import RunRow


def find_run(app: Fairlead, word: str) -> RunRow:
    """The one run of the tenant that ``word`` names; errors list the candidates."""
    tenant = str(app.tenant)
    if word in ("latest", "last"):
        newest = [r for r in app.store.find_sync(tenant=tenant, limit=100) if r.parent_id is None]
        if newest:
            return newest[0]
        raise NotFoundError("there are no runs yet.", remedy="Start one with `fairlead run content-brief`.")
    exact = app.store.get_sync(word, tenant)
    if exact is not None:
        return exact
    text = word.removeprefix("run_").lower()
    if len(text) >= 4:
        near = [
            r
            for r in app.store.find_sync(tenant=tenant, limit=2000)
            if r.id.endswith(text) or r.id.startswith(f"run_{text}")
        ]
        if len(near) == 1:
            return near[0]
        if near:
            raise InvalidInputError(
                f"{word!r} fits {len(near)} runs.",
                remedy=f"Give more of the id: {', '.join(r.id for r in near[:5])}.",
                field="run",
                value=word,
            )
    raise NotFoundError(f"there is no run {word!r}.", remedy="See `fairlead runs list`.", run=word)


def short_id(run_id: str) -> str:
    """The end of an id, which is enough to name a run: ids made close together differ at their end."""
    return run_id[-8:]
