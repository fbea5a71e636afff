"""The error tree: branches by what a caller does next — retry, refuse, ask, stop.

    FairleadError
    ├── RetryError    try again later, unchanged
    ├── RefusedError  change the request first
    ├── AskError      a person decides
    └── StopError     the system cannot go on until something outside is mended

Every message names the field, the value and the remedy. Facts a program may need are in ``fields``; the remedy
is kept apart so that every face can show it. Raising has no side effect.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar


class FairleadError(Exception):
    """Root of the tree.

    ``category`` is one of the words of ``result.ErrorCategory``; ``exit_code`` is what the command line returns
    (1 operational, 2 usage, 3 not initialised or newer schema, 4 conflict and safe to retry); ``http_status`` is
    what the server answers.
    """

    category: ClassVar[str] = "system"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, remedy: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.remedy, self.fields)


def _rebuild(kind: type[FairleadError], message: str, remedy: str, fields: dict[str, Any]) -> FairleadError:
    return kind(message, remedy=remedy, **fields)


# ── retry: the same request may succeed later ────────────────────────────────────────────────────────────────


class RetryError(FairleadError):
    """Nothing is wrong with the request; try again."""

    category = "service_unavailable"
    http_status = 503


class RateLimitedError(RetryError):
    """The other side asked for fewer calls. ``fields['retry_after']`` holds seconds when it said how long."""

    category = "rate_limit"
    http_status = 429


class NetworkError(RetryError):
    """The connection failed before an answer came."""

    category = "network"


class StepTimeoutError(RetryError):
    """A hard or idle time limit passed."""

    category = "timeout"


class UnavailableError(RetryError):
    """A service, a breaker or a lock does not let the call through now."""

    category = "service_unavailable"


class ConflictError(RetryError):
    """Somebody else changed it first; read again and retry."""

    category = "processing"
    exit_code = 4
    http_status = 409


# ── refuse: the request must change ──────────────────────────────────────────────────────────────────────────


class RefusedError(FairleadError):
    """The request is refused as it stands; nothing was changed."""

    category = "validation"
    http_status = 422


class InvalidInputError(RefusedError):
    """A field has a value that cannot be used."""

    exit_code = 2


class NotFoundError(RefusedError):
    """No such thing for this tenant."""

    category = "not_found"
    http_status = 404


class TenantMissingError(RefusedError):
    """A tenant-scoped operation ran without a tenant. There is no default tenant."""

    category = "authorization"
    http_status = 403


class ForbiddenError(RefusedError):
    """The caller, mode, hook or policy does not allow this."""

    category = "authorization"
    http_status = 403


class InvalidGraphError(RefusedError):
    """A workflow has a cycle, an unknown dependency, a duplicate name or a bad expression."""

    exit_code = 2


class NotStorableError(RefusedError):
    """A value cannot be written to the journal, so a resume could not bring it back."""


class StateError(RefusedError):
    """The run's state does not allow this action. ``fields['allowed']`` lists what it does allow."""

    http_status = 409


class BudgetError(RefusedError):
    """The call would pass a limit, so it was not made."""

    category = "insufficient_resources"
    http_status = 402


class WorkflowChangedError(RefusedError):
    """A run cannot resume because its workflow is not the one that it started with."""

    http_status = 409


class ModelMismatchError(RefusedError):
    """Vectors of one model or size met those of another; they cannot be compared."""

    http_status = 409


class MissingDependencyError(RefusedError):
    """An optional package or program is needed and absent."""

    category = "dependency"
    http_status = 501


class NotInitialisedError(RefusedError):
    """There is no store or board here yet."""

    category = "configuration"
    exit_code = 3


# ── ask: a person decides ────────────────────────────────────────────────────────────────────────────────────


class AskError(FairleadError):
    """Work waits for a person's word."""

    category = "authorization"
    http_status = 409


class ApprovalNeededError(AskError):
    """An action needs approval under the current permission mode."""


class BudgetReachedError(AskError):
    """A budget that says to ask is used up: the call was not made, and a person raises the limit or stops the run.
    ``fields`` name the budget."""

    category = "insufficient_resources"
    http_status = 402


class EffectUnknownError(AskError):
    """A step that may have acted on the world was in flight when its process died."""

    category = "processing"


# ── stop: mend something outside first ───────────────────────────────────────────────────────────────────────


class StopError(FairleadError):
    """The system cannot go on; what was acknowledged before is safe."""


class StoreFullError(StopError):
    """No room left on the device. Nothing of the refused write was kept."""

    category = "insufficient_resources"
    http_status = 507


class StoreCorruptError(StopError):
    """The database file is damaged or is no database."""


class StoreClosedError(StopError):
    """The store was closed while the write waited."""


class SchemaNewerError(StopError):
    """The store was written by a newer Fairlead than this one."""

    category = "configuration"
    exit_code = 3


class InternalError(StopError):
    """A bug in Fairlead or in a plug-in; the message says where."""


def walk(kind: type[FairleadError] = FairleadError, depth: int = 0) -> list[tuple[int, type[FairleadError]]]:
    """The tree as (depth, class) rows in declaration order, for the reference page and its test."""
    rows = [(depth, kind)]
    for child in kind.__subclasses__():
        rows += walk(child, depth + 1)
    return rows
