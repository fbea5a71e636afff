"""The ground: results, errors, ids, tenancy, events, settings."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead import errors
from fairlead.errors import InvalidInputError, TenantMissingError
from fairlead.events import EVENT_TYPES, Event, EventBus, draft
from fairlead.ids import is_id, new_id
from fairlead.result import RETRYABLE, ErrorCategory, StepResult
from fairlead.settings import SETTINGS, load_settings
from fairlead.store.codec import decode, encode, settle
from fairlead.tenancy import Tenant, current_tenant, make_tenant, require_tenant, use_tenant

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)

# ── results ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_constructors_set_status_category_and_retry() -> None:
    table = {
        "ok": (StepResult.ok(1), "success", None, False),
        "uncertain": (StepResult.uncertain(1), "uncertain", None, False),
        "skip": (StepResult.skip("why"), "skipped", None, False),
        "fail": (StepResult.fail("e"), "error", ErrorCategory.PROCESSING, False),
        "bad_request": (StepResult.bad_request("e"), "error", ErrorCategory.VALIDATION, False),
        "unauthorized": (StepResult.unauthorized("e"), "error", ErrorCategory.AUTHENTICATION, False),
        "not_found": (StepResult.not_found("e"), "error", ErrorCategory.NOT_FOUND, False),
        "rate_limited": (StepResult.rate_limited("e"), "error", ErrorCategory.RATE_LIMIT, True),
        "network_error": (StepResult.network_error("e"), "error", ErrorCategory.NETWORK, True),
        "timeout_error": (StepResult.timeout_error("e"), "error", ErrorCategory.TIMEOUT, True),
        "service_unavailable": (StepResult.service_unavailable("e"), "error", ErrorCategory.SERVICE_UNAVAILABLE, True),
        "processing_error": (StepResult.processing_error("e"), "error", ErrorCategory.PROCESSING, False),
    }
    for name, (result, status, category, retryable) in table.items():
        assert (result.status, result.error_category, result.retryable) == (status, category, retryable), name
        assert result.success == (status != "error"), name
    warned = StepResult.success_with_warnings([1], ["careful"])
    assert (warned.success, warned.status, warned.metadata["warnings"]) == (True, "success", ["careful"])
    assert len(ErrorCategory) == 14
    assert len(RETRYABLE) == 4


@given(JSON, st.sampled_from(["ok", "uncertain", "skip", "fail", "rate_limited", "warned"]))
def test_results_survive_interchange(data: Any, kind: str) -> None:
    made = {
        "ok": lambda: StepResult.ok(data, cost=1),
        "uncertain": lambda: StepResult.uncertain(data),
        "skip": lambda: StepResult.skip("because"),
        "fail": lambda: StepResult.fail("no", ErrorCategory.SYSTEM, retryable=True),
        "rate_limited": lambda: StepResult.rate_limited("slow", retry_after=3),
        "warned": lambda: StepResult.success_with_warnings(data, ["w"]),
    }[kind]()
    assert StepResult.from_dict(made.to_dict()) == made
    assert StepResult.from_dict(decode(encode(made.to_dict()))) == made


@pytest.mark.parametrize("value", ["just text", None, 5, [], {}, {"data": 1}, {"status": "great"}, {"status": "error"}])
def test_an_answer_in_an_unknown_shape_is_never_a_success(value: Any) -> None:
    result = StepResult.from_dict(value)
    assert not result.success
    assert result.error


def test_exceptions_become_failures_of_their_branch() -> None:
    cases = {
        errors.RateLimitedError("x", retry_after=2): (ErrorCategory.RATE_LIMIT, True),
        errors.ForbiddenError("x"): (ErrorCategory.AUTHORIZATION, False),
        errors.StoreFullError("x"): (ErrorCategory.INSUFFICIENT_RESOURCES, False),
        TimeoutError(): (ErrorCategory.TIMEOUT, True),
        ConnectionResetError(): (ErrorCategory.NETWORK, True),
        FileNotFoundError("f"): (ErrorCategory.NOT_FOUND, False),
        KeyError("k"): (ErrorCategory.PROCESSING, False),
    }
    for exc, (category, retryable) in cases.items():
        result = StepResult.from_exception(exc)
        assert (result.error_category, result.retryable) == (category, retryable), exc


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_tree_has_four_branches_and_known_categories() -> None:
    branches = [kind.__name__ for depth, kind in errors.walk() if depth == 1 and kind.__module__ == "fairlead.errors"]
    assert branches == ["RetryError", "RefusedError", "AskError", "StopError"]
    for _, kind in errors.walk():
        ErrorCategory(kind.category)
        assert kind.exit_code in (1, 2, 3, 4)
        assert kind.__doc__


def test_errors_keep_their_facts_through_pickling() -> None:
    error = InvalidInputError("field is 5.", remedy="Make it 6.", field="f", value=5)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.fields, type(copy)) == (
        "field is 5. Make it 6.",
        {"field": "f", "value": 5},
        InvalidInputError,
    )


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ids_are_unique_and_sorted_across_threads() -> None:
    made: list[str] = []

    def make() -> None:
        made.extend(new_id("run") for _ in range(5000))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 20_000
    assert all(map(is_id, made))
    mine = [new_id("run") for _ in range(1000)]
    assert mine == sorted(mine)


def _ids(_: int) -> list[str]:
    return [new_id("run") for _ in range(200)]


def test_ids_are_unique_across_forked_processes() -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        made = [i for ids in pool.map(_ids, range(4)) for i in ids]
    assert len(set(made)) == len(made)


# ── tenancy ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_missing_tenant_is_an_error() -> None:
    assert current_tenant() is None
    with pytest.raises(TenantMissingError):
        require_tenant()


def test_tenants_do_not_leak_between_tasks() -> None:
    async def one(name: str) -> list[str]:
        with use_tenant(make_tenant(name)):
            seen = []
            for _ in range(20):
                await asyncio.sleep(0)
                seen.append(require_tenant().tenant_id)
            return seen

    async def body() -> None:
        for name, seen in zip("abcdef", await asyncio.gather(*(one(n) for n in "abcdef")), strict=True):
            assert seen == [name] * 20

    asyncio.run(body())


@pytest.mark.parametrize("name", ["", "A", "a:b", "a/b", "../x", "a b", "é", "-a", "a" * 64, "a\n"])
def test_names_that_could_cross_a_namespace_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        make_tenant(name)
    with pytest.raises(InvalidInputError):
        Tenant("ok").namespace(name)
    with pytest.raises(InvalidInputError), use_tenant(Tenant(name)):
        pass


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────


def event(type_: str = "run.created") -> Event:
    return Event("ev", 1, type_, "a:b", "s", {}, "t", "c", 0.0)


def test_the_23_of_the_ticket_system_are_in_the_list() -> None:
    prefixes = ("ticket.", "agent.task.", "requirement.", "test.", "epic.", "milestone.", "sprint.", "system.")
    assert sum(name.startswith(prefixes) for name in EVENT_TYPES) == 23
    assert all(meaning for meaning in EVENT_TYPES.values())


def test_a_failing_subscriber_is_isolated_and_counted() -> None:
    bus = EventBus()
    heard: list[str] = []

    def broken(e: Event) -> None:
        raise RuntimeError("a bug")

    class Listener:
        def hear(self, e: Event) -> None:
            heard.append(e.type)

    bus.subscribe(broken)
    stop = bus.subscribe(Listener().hear, types=["run.created"])
    bus.publish([event(), event("run.paused")])
    assert heard == ["run.created"]
    assert sum(bus.failures.values()) == 2
    stop()
    bus.publish([event()])
    assert heard == ["run.created"]


def test_types_outside_the_list_are_refused() -> None:
    with pytest.raises(InvalidInputError):
        draft("run.exploded", "a:b", "s", {}, source="t", cause="c", time=0)
    with pytest.raises(InvalidInputError):
        EventBus().subscribe(print, types=["run.exploded"])


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_order_of_sources(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('tenant = "file"\nmax_concurrency = 5\ncommand_allow = ["ls", "git"]\n')
    environ = {"FAIRLEAD_HOME": str(tmp_path), "FAIRLEAD_TENANT": "env", "USER": "ann"}
    settings = load_settings({"workspace": "given"}, environ=environ, cwd=tmp_path)
    assert (settings.tenant, settings.max_concurrency, settings.workspace) == ("env", 5, "given")
    assert settings.command_allow == ("ls", "git")
    assert settings.actor == "ann"
    assert settings.sources["tenant"] == "FAIRLEAD_TENANT"
    assert settings.sources["max_concurrency"] == "config.toml"


def test_home_is_the_nearest_fairlead_folder(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert load_settings(environ={"HOME": str(tmp_path / "me")}, cwd=inner).home == tmp_path / "me" / ".fairlead"
    (tmp_path / "a" / ".fairlead").mkdir()
    assert load_settings(environ={"HOME": "/nowhere"}, cwd=inner).home == tmp_path / "a" / ".fairlead"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_CONCURRENCY", "0"),
        ("MAX_CONCURRENCY", "many"),
        ("DURABILITY", "maybe"),
        ("SHUTDOWN_GRACE", "-1"),
        ("SHUTDOWN_GRACE", "nan"),
        ("ADAPTIVE_CONCURRENCY", "perhaps"),
    ],
)
def test_bad_values_name_the_field_the_value_and_the_place(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load_settings(environ={f"FAIRLEAD_{name}": value, "HOME": str(tmp_path)}, cwd=tmp_path)
    assert value in str(caught.value)
    assert f"FAIRLEAD_{name}" in str(caught.value)


def test_settings_stay_few_and_read_only(tmp_path: Path) -> None:
    assert len(SETTINGS) <= 25
    settings = load_settings(environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    with pytest.raises(AttributeError):
        settings.tenant = "other"


# ── payloads ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(JSON)
def test_what_dependents_see_is_what_a_resume_would_see(value: Any) -> None:
    seen, data = settle(value)
    assert decode(data) == seen
    assert settle(seen) == (seen, data)


def test_tuples_and_models_are_settled_from_the_start() -> None:
    from pydantic import BaseModel

    class Point(BaseModel):
        x: int

    assert settle({"t": (1, 2), "p": Point(x=3), "path": Path("a/b")})[0] == {"t": [1, 2], "p": {"x": 3}, "path": "a/b"}
