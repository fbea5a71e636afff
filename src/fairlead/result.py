"""StepResult: the one envelope that every tool, step and analyser returns."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from fairlead.errors import FairleadError, RetryError


class ErrorCategory(enum.StrEnum):
    """What kind of thing went wrong. The category decides whether a retry can help."""

    VALIDATION = "validation"
    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    NETWORK = "network"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    SERVICE_UNAVAILABLE = "service_unavailable"
    NOT_FOUND = "not_found"
    INSUFFICIENT_RESOURCES = "insufficient_resources"
    PROCESSING = "processing"
    DEPENDENCY = "dependency"
    SYSTEM = "system"
    CONFIGURATION = "configuration"
    SUCCESS_WITH_WARNINGS = "success_with_warnings"


RETRYABLE = frozenset(
    {
        ErrorCategory.RATE_LIMIT,
        ErrorCategory.NETWORK,
        ErrorCategory.TIMEOUT,
        ErrorCategory.SERVICE_UNAVAILABLE,
    }
)
"""The only categories that default to retryable."""

_SUCCESS_STATUSES = frozenset({"success", "skipped", "uncertain"})


class StepResult:
    """Outcome of one step.

    Fields: ``success``; ``data`` (any storable value, conventionally a mapping); ``error`` (text, only on
    failure); ``custom_status`` (``skipped`` and ``uncertain`` are successes); ``error_category``; ``retryable``;
    ``metadata`` (cost, tokens, warnings, attempts). Instances compare by value and are not hashable.
    """

    __slots__ = ("custom_status", "data", "error", "error_category", "metadata", "retryable", "success")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        success: bool,
        data: Any = None,
        error: str | None = None,
        custom_status: str | None = None,
        error_category: ErrorCategory | None = None,
        retryable: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.success = success
        self.data = data
        self.error = error
        self.custom_status = custom_status
        self.error_category = error_category
        self.retryable = retryable
        self.metadata = metadata if metadata is not None else {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StepResult):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __repr__(self) -> str:
        detail = f"data={self.data!r}" if self.success else f"error={self.error!r}"
        return f"StepResult({self.status}, {detail})"

    def __bool__(self) -> bool:
        return self.success

    @property
    def status(self) -> str:
        """``custom_status``, else ``success`` or ``error``."""
        return self.custom_status or ("success" if self.success else "error")

    @property
    def skipped(self) -> bool:
        return self.custom_status == "skipped"

    def get(self, key: str, default: Any = None) -> Any:
        """``data[key]`` when data is a mapping that has it, else ``default``."""
        return self.data.get(key, default) if isinstance(self.data, Mapping) else default

    # ── successes ────────────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def ok(cls, data: Any = None, **metadata: Any) -> StepResult:
        return cls(True, data, metadata=metadata)

    @classmethod
    def uncertain(cls, data: Any = None, **metadata: Any) -> StepResult:
        """A success whose truth is not settled, for example an answer below the confidence asked for."""
        return cls(True, data, custom_status="uncertain", metadata=metadata)

    @classmethod
    def skip(cls, reason: str, **metadata: Any) -> StepResult:
        """Nothing was done, for a stated reason."""
        return cls(True, None, custom_status="skipped", metadata={"reason": reason, **metadata})

    @classmethod
    def success_with_warnings(cls, data: Any, warnings: list[str], **metadata: Any) -> StepResult:
        return cls(
            True,
            data,
            error_category=ErrorCategory.SUCCESS_WITH_WARNINGS,
            metadata={"warnings": list(warnings), **metadata},
        )

    # ── failures ─────────────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def fail(
        cls,
        error: str,
        category: ErrorCategory = ErrorCategory.PROCESSING,
        *,
        retryable: bool | None = None,
        **metadata: Any,
    ) -> StepResult:
        """A failure. ``retryable`` follows the category unless stated."""
        if retryable is None:
            retryable = category in RETRYABLE
        return cls(False, None, error, error_category=category, retryable=retryable, metadata=metadata)

    @classmethod
    def bad_request(cls, error: str, **metadata: Any) -> StepResult:
        return cls.fail(error, ErrorCategory.VALIDATION, **metadata)

    @classmethod
    def unauthorized(cls, error: str, **metadata: Any) -> StepResult:
        return cls.fail(error, ErrorCategory.AUTHENTICATION, **metadata)

    @classmethod
    def not_found(cls, error: str, **metadata: Any) -> StepResult:
        return cls.fail(error, ErrorCategory.NOT_FOUND, **metadata)

    @classmethod
    def rate_limited(cls, error: str, **metadata: Any) -> StepResult:
        return cls.fail(error, ErrorCategory.RATE_LIMIT, **metadata)

    @classmethod
    def network_error(cls, error: str, **metadata: Any) -> StepResult:
        return cls.fail(error, ErrorCategory.NETWORK, **metadata)

    @classmethod
    def timeout_error(cls, error: str, **metadata: Any) -> StepResult:
        return cls.fail(error, ErrorCategory.TIMEOUT, **metadata)

    @classmethod
    def service_unavailable(cls, error: str, **metadata: Any) -> StepResult:
        return cls.fail(error, ErrorCategory.SERVICE_UNAVAILABLE, **metadata)

    @classmethod
    def processing_error(cls, error: str, **metadata: Any) -> StepResult:
        return cls.fail(error, ErrorCategory.PROCESSING, **metadata)

    @classmethod
    def from_exception(cls, exc: BaseException) -> StepResult:
        """A failure that says what an exception said, with the category of its branch of the tree."""
        if isinstance(exc, FairleadError):
            category = ErrorCategory(exc.category)
            retryable = isinstance(exc, RetryError)
            metadata = {"exception": type(exc).__name__}
            if "retry_after" in exc.fields:
                metadata["retry_after"] = exc.fields["retry_after"]
            return cls.fail(str(exc), category, retryable=retryable, **metadata)
        text = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
        return cls.fail(text, _category_of(exc), exception=type(exc).__name__)

    # ── interchange ──────────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def from_dict(cls, value: object) -> StepResult:
        """Reads ``to_dict`` output and the loose mappings that other tools answer with.

        Anything but a mapping is a failure that quotes it: an answer in an unknown shape is never a success. An
        unknown status is a failure that names it.
        """
        if not isinstance(value, Mapping):
            return cls.fail(value if isinstance(value, str) else f"not a result: {value!r}")
        status = value.get("status")
        if status is None:
            if "success" not in value:
                return cls.fail(f"not a result: it has neither 'status' nor 'success': {sorted(map(str, value))}")
            status = "success" if value["success"] else "error"
        metadata = dict(value.get("metadata") or {})
        if status in _SUCCESS_STATUSES:
            category = value.get("error_category")
            return cls(
                True,
                value.get("data"),
                custom_status=None if status == "success" else str(status),
                error_category=ErrorCategory(category) if category else None,
                metadata=metadata,
            )
        category = ErrorCategory(value.get("error_category") or ErrorCategory.PROCESSING)
        error = value.get("error") or (
            "failed without a message" if status == "error" else f"unknown status {status!r}"
        )
        return cls.fail(str(error), category, retryable=value.get("retryable"), **metadata)

    def to_dict(self) -> dict[str, Any]:
        """A plain mapping; ``from_dict`` reads it back to an equal result."""
        return {
            "status": self.status,
            "success": self.success,
            "data": self.data,
            "error": self.error,
            "error_category": self.error_category.value if self.error_category else None,
            "retryable": self.retryable,
            "metadata": self.metadata,
        }


def _category_of(exc: BaseException) -> ErrorCategory:
    if isinstance(exc, TimeoutError):
        return ErrorCategory.TIMEOUT
    if isinstance(exc, ConnectionError):
        return ErrorCategory.NETWORK
    if isinstance(exc, FileNotFoundError):
        return ErrorCategory.NOT_FOUND
    if isinstance(exc, PermissionError):
        return ErrorCategory.AUTHORIZATION
    if isinstance(exc, MemoryError):
        return ErrorCategory.INSUFFICIENT_RESOURCES
    if isinstance(exc, ModuleNotFoundError):
        return ErrorCategory.DEPENDENCY
    return ErrorCategory.PROCESSING
