"""What runs when: dataflow, skipping, failure edges, conditions, fan-outs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.errors import FairleadError, InvalidGraphError, InvalidInputError
from fairlead.result import ErrorCategory, StepResult
from fairlead.runtime import REQUIRED, Edge, Flow, Node, Runtime, RuntimeOptions, StepContext, Workflow, current_step
from tests.runtime.conftest import volatile

Run = Callable[..., Any]


async def ok(ctx: StepContext) -> str:
    return ctx.key


async def boom() -> None:
    raise ValueError("no good")


def nodes(**dependencies: list[str] | list[Edge]) -> tuple[Node, ...]:
    return tuple(
        Node(name, ok, depends_on=tuple(Edge(d) if isinstance(d, str) else d for d in after))
        for name, after in dependencies.items()
    )


def result_of(with_runtime: Run, workflow: Any, inputs: dict[str, Any] | None = None, **more: Any) -> StepResult:
    async def test(runtime: Runtime) -> StepResult:
        return await (await runtime.start(workflow, inputs)).result()

    return with_runtime(test, **more)


async def statuses(runtime: Runtime, run_id: str) -> dict[str, str]:
    return {row.key: row.status for row in await runtime.store.journal(run_id)}


def test_values_flow_by_name(with_runtime: Run) -> None:
    flow = Flow("sum", inputs={"start": REQUIRED, "by": 2})

    @flow.step()
    async def double(start: int, by: int) -> int:
        return start * by

    @flow.step()
    async def half(start: int) -> float:
        return start / 2

    @flow.step(after=[double, half])
    async def add(double: int, half: float) -> dict[str, float]:
        return {"sum": double + half}

    result = result_of(with_runtime, flow, {"start": 10})
    assert result.data == {"add": {"sum": 25.0}}


def test_a_node_starts_when_its_own_dependencies_are_done_not_its_level() -> None:
    # Two chains of alternating short and long steps. An engine with level barriers needs 0.51 s for them.
    flow = Flow("chains")
    for chain, delays in (("a", (0.01, 0.15, 0.01, 0.15)), ("b", (0.15, 0.01, 0.15, 0.01))):
        for n, delay in enumerate(delays):
            flow.add(f"{chain}{n}", _sleeper(delay), after=[f"{chain}{n - 1}"] if n else [])

    async def body() -> float:
        async with volatile() as runtime:
            runtime.plans.of(flow.as_workflow())
            begin = time.perf_counter()
            assert (await (await runtime.start(flow)).result()).success
            return time.perf_counter() - begin

    assert min(asyncio.run(body()) for _ in range(3)) < 0.42


def _sleeper(delay: float) -> Any:
    async def sleep() -> None:
        await asyncio.sleep(delay)

    return sleep


def test_dependents_of_a_failure_are_skipped_with_the_reason(with_runtime: Run) -> None:
    workflow = Workflow(
        "w", (Node("a", boom), *nodes(b=["a"], c=["b"], d=[Edge("a", "failure")], e=[Edge("a", "done")], f=[]))
    )

    async def test(runtime: Runtime) -> None:
        handle = await runtime.start(workflow)
        result = await handle.result()
        assert result.success, "the failure of a is dealt with by d and e"
        found = await statuses(runtime, handle.id)
        assert found == {"a": "error", "b": "skipped", "c": "skipped", "d": "success", "e": "success", "f": "success"}
        skipped = {
            e.data["step"]: e.data["reason"] for e in await runtime.store.events(types=("step.skipped",), limit=10)
        }
        assert "failed: ValueError: no good" in skipped["b"]
        assert "was skipped" in skipped["c"]

    with_runtime(test)


def test_an_unhandled_failure_fails_the_run_but_not_the_independent_steps(with_runtime: Run) -> None:
    workflow = Workflow("w", (Node("a", boom), *nodes(b=["a"], c=[])))

    async def test(runtime: Runtime) -> None:
        handle = await runtime.start(workflow)
        result = await handle.result()
        assert not result.success
        assert result.error == "step 'a' failed: ValueError: no good"
        assert result.error_category is ErrorCategory.PROCESSING
        assert (await statuses(runtime, handle.id))["c"] == "success"
        assert (await runtime.require(handle.id)).state == "error"

    with_runtime(test)


def test_a_tolerated_failure_does_not_fail_the_run(with_runtime: Run) -> None:
    assert result_of(with_runtime, Workflow("w", (Node("a", boom, tolerate=True), *nodes(c=[])))).success


def test_join_any_runs_when_one_branch_came_through(with_runtime: Run) -> None:
    joined = Node("j", ok, depends_on=(Edge("a"), Edge("b")), join="any")
    assert result_of(with_runtime, Workflow("w", (Node("a", boom, tolerate=True), Node("b", ok), joined))).data == {
        "j": "j"
    }


def test_conditions_and_expressions(with_runtime: Run) -> None:
    async def count() -> dict[str, int]:
        return {"n": 3}

    async def echo(what: Any) -> Any:
        return what

    workflow = Workflow(
        "w",
        (
            Node("count", count),
            Node("many", ok, depends_on=(Edge("count"),), when="steps.count.n > 5"),
            Node(
                "few",
                echo,
                depends_on=(Edge("count"),),
                when="steps.count.n <= 5",
                arguments={"what": {"text": "n is ${{ steps.count.n }}", "raw": "${{ steps.count.n }}"}},
            ),
        ),
        inputs={"x": 1},
        output="${{ steps.few }}",
    )
    assert result_of(with_runtime, workflow).data == {"text": "n is 3", "raw": 3}


def test_expressions_reach_nothing_but_data(with_runtime: Run) -> None:
    for text in (
        "steps.a.__class__",
        "''.__class__.__mro__",
        "().__class__",
        "inputs.__init__",
        "open('/etc/passwd')",
        "steps.a.upper()",
    ):
        workflow = Workflow("w", (Node("a", ok), Node("b", ok, depends_on=(Edge("a"),), when=text)))
        try:
            result = result_of(with_runtime, workflow)
        except FairleadError:
            continue
        assert not result.success, text


def test_fan_out_and_followers_go_item_by_item(with_runtime: Run) -> None:
    followed: set[int] = set()

    async def items() -> list[int]:
        return [3, 1, 2]

    async def slow(item: int) -> int:
        # The first item waits for the followers of the others: behind a barrier this would never end.
        while item == 3 and followed != {10, 20}:
            await asyncio.sleep(0.001)
        return item * 10

    async def follow(item: int) -> int:
        followed.add(item)
        return item + 1

    async def total(follow: list[int]) -> int:
        return sum(follow)

    workflow = Workflow(
        "w",
        (
            Node("items", items),
            Node("slow", slow, depends_on=(Edge("items"),), foreach="steps.items"),
            Node("follow", follow, each_of="slow"),
            Node("total", total, depends_on=(Edge("follow"),)),
        ),
    )
    assert result_of(with_runtime, workflow).data == {"total": 63}


def test_an_empty_fan_out_completes(with_runtime: Run) -> None:
    async def none() -> list[int]:
        return []

    async def count(each: list[int]) -> int:
        return len(each)

    workflow = Workflow(
        "w",
        (
            Node("none", none),
            Node("each", ok, depends_on=(Edge("none"),), foreach="steps.none"),
            Node("more", ok, each_of="each"),
            Node("count", count, depends_on=(Edge("each"),)),
        ),
    )
    assert result_of(with_runtime, workflow).data == {"more": [], "count": 0}


@pytest.mark.parametrize("keep", ["fail", "keep"])
def test_failed_items(with_runtime: Run, keep: Any) -> None:
    async def some(item: int) -> int:
        if item == 1:
            raise ValueError("one is bad")
        return item

    workflow = Workflow(
        "w",
        (Node("some", some, foreach="inputs.items", on_item_error=keep), Node("after", ok, each_of="some")),
        inputs={"items": [0, 1, 2]},
    )
    result = result_of(with_runtime, workflow)
    if keep == "fail":
        assert not result.success
        assert "1 of 3 items" in (result.error or "")
    else:
        assert result.data == {"after": ["after[0]", None, "after[2]"]}
        assert result.metadata["warnings"]


def test_foreach_over_something_else_is_refused_clearly(with_runtime: Run) -> None:
    result = result_of(with_runtime, Workflow("w", (Node("a", ok, foreach="inputs.x"),), inputs={"x": 5}))
    assert "int, not a list" in (result.error or "")


def test_a_skipped_source_skips_its_followers(with_runtime: Run) -> None:
    workflow = Workflow(
        "w",
        (Node("a", ok, when="1 > 2", foreach="inputs.x"), Node("b", ok, each_of="a"), Node("c", ok, each_of="b")),
        inputs={"x": [1]},
    )

    async def test(runtime: Runtime) -> None:
        handle = await runtime.start(workflow)
        assert (await handle.result()).success
        assert set((await statuses(runtime, handle.id)).values()) == {"skipped"}

    with_runtime(test)


def test_children_give_their_parents_slot_to_others(with_runtime: Run) -> None:
    async def leaf(n: int) -> int:
        await asyncio.sleep(0.001)
        return n

    async def parent(ctx: StepContext, depth: int) -> int:
        if depth == 0:
            return await ctx.call(leaf, n=1)
        return 1 + await ctx.call(parent, depth=depth - 1)

    # With two slots and a chain of five waiting parents, holding on to slots would wait forever.
    result = result_of(with_runtime, parent, {"depth": 5}, options=RuntimeOptions(max_concurrency=2))
    assert result.data == 6


def test_limits_hold(with_runtime: Run) -> None:
    at_once = most = 0

    async def work(item: int) -> int:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.001)
        at_once -= 1
        return item

    work.agent_name = "worker"  # type: ignore[attr-defined]
    workflow = Workflow("w", (Node("work", work, foreach="inputs.items"),), inputs={"items": list(range(40))})
    assert result_of(
        with_runtime, workflow, options=RuntimeOptions(max_concurrency=8, max_concurrency_per_agent=3)
    ).data == list(range(40))
    assert most == 3


def test_inputs_are_checked_before_anything_starts(with_runtime: Run) -> None:
    workflow = Workflow("w", nodes(a=[]), inputs={"x": REQUIRED})
    for inputs, field in (({}, "x"), ({"x": 1, "y": 2}, "y")):
        with pytest.raises(InvalidInputError) as caught:
            result_of(with_runtime, workflow, inputs)
        assert caught.value.fields["field"] == field


def test_ten_thousand_nodes_wide_and_deep(with_runtime: Run) -> None:
    async def one() -> int:
        return 1

    wide = Workflow(
        "wide",
        tuple(Node(f"n{i}", one) for i in range(9_999))
        + (Node("last", one, depends_on=tuple(Edge(f"n{i}") for i in range(9_999))),),
    )
    assert result_of(with_runtime, wide).data == {"last": 1}


def test_a_chain_of_ten_thousand_skipped_nodes_does_not_recurse() -> None:
    chain = Workflow(
        "deep", (Node("n0", boom), *(Node(f"n{i}", ok, depends_on=(Edge(f"n{i - 1}"),)) for i in range(1, 10_000)))
    )

    async def body() -> None:
        async with volatile() as runtime:
            handle = await runtime.start(chain)
            assert not (await handle.result()).success
            assert list((await statuses(runtime, handle.id)).values()).count("skipped") == 9_999

    asyncio.run(body())


def test_current_step_and_tenant_belong_to_the_step(with_runtime: Run) -> None:
    from fairlead.tenancy import require_tenant

    async def who(item: int) -> list[str]:
        await asyncio.sleep(0.001 * item)
        return [current_step().key, str(require_tenant())]

    workflow = Workflow("w", (Node("who", who, foreach="inputs.x"),), inputs={"x": [2, 1, 0]})
    assert result_of(with_runtime, workflow).data == [[f"who[{n}]", "acme:main"] for n in range(3)]


def test_plain_functions_do_not_block_the_loop(with_runtime: Run) -> None:
    def slow() -> str:
        time.sleep(0.2)
        return current_step().key

    async def test(runtime: Runtime) -> None:
        handle = await runtime.start(Workflow("w", (Node("slow", slow),)))
        begin = time.perf_counter()
        await asyncio.sleep(0.01)
        assert time.perf_counter() - begin < 0.15
        assert (await handle.result()).data == "slow"

    with_runtime(test)


GRAPHS = st.integers(2, 25).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(
            st.tuples(
                st.integers(0, n - 1), st.integers(0, n - 1), st.sampled_from(["success", "success", "failure", "done"])
            ),
            max_size=60,
        ),
        st.sets(st.integers(0, n - 1), max_size=6),
    )
)


@given(GRAPHS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_graph_behaves_like_the_simple_model(graph: tuple[int, list[tuple[int, int, str]], set[int]]) -> None:
    """Random graphs with random failures against a ten-line recursive model of the rules."""
    n, pairs, failing = graph
    edges: dict[int, dict[int, str]] = {i: {} for i in range(n)}
    for a, b, on in pairs:
        if a != b:
            edges[max(a, b)].setdefault(min(a, b), on)
    finished: list[int] = []

    def make(i: int) -> Any:
        async def call() -> int:
            assert all(d in finished or d in skipped(d) for d in edges[i])
            await asyncio.sleep(0)
            finished.append(i)
            if i in failing:
                raise RuntimeError("planned")
            return i

        return call

    def skipped(d: int) -> set[int]:
        return {d} if model(d) == "skipped" else set()

    def model(i: int) -> str:
        for d, on in edges[i].items():
            status = model(d)
            if on == "success" and status != "success":
                return "skipped"
            if on == "failure" and status != "error":
                return "skipped"
        return "error" if i in failing else "success"

    workflow = Workflow(
        "g",
        tuple(
            Node(f"n{i}", make(i), depends_on=tuple(Edge(f"n{d}", on) for d, on in edges[i].items())) for i in range(n)
        ),
    )  # type: ignore[arg-type]

    async def body() -> dict[str, str]:
        async with volatile() as runtime:
            handle = await runtime.start(workflow)
            await asyncio.wait_for(handle.result(), 10)
            return await statuses(runtime, handle.id)

    assert asyncio.run(body()) == {f"n{i}": model(i) for i in range(n)}


@pytest.mark.parametrize(
    ("workflow", "told"),
    [
        (Workflow("w", ()), "no steps"),
        (Workflow("w", nodes(a=["c"], b=["a"], c=["b"])), "a -> b -> c -> a"),
        (Workflow("w", nodes(a=["a"])), "a -> a"),
        (Workflow("w", nodes(a=["nope"])), "'nope', which does not exist"),
        (Workflow("w", (Node("a", ok), Node("a", ok))), "two steps named 'a'"),
        (Workflow("w", (Node("a/b", ok),)), "cannot be the name"),
        (Workflow("w", (Node("a"),)), "either a function or"),
        (Workflow("w", (Node("a", agent="nobody"),)), "no agent 'nobody'"),
        (Workflow("w", (Node("a", ok), Node("b", ok, each_of="a"))), "has no items"),
        (Workflow("w", (Node("a", ok, when="1 +"),)), "cannot be read"),
        (Workflow("w", (Node("a", ok, timeout=0),)), "timeout 0"),
        (Workflow("w", (Node("a", ok, depends_on=(Edge("b"), Edge("b"))), Node("b", ok))), "twice"),
        (Workflow("w", (Node("a", lambda missing: 1),)), "parameter 'missing'"),
        (Workflow("w", (Node("a", lambda: 1, arguments={"extra": 1}),)), "takes no argument 'extra'"),
    ],
)
def test_bad_graphs_are_refused_before_anything_starts(with_runtime: Run, workflow: Workflow, told: str) -> None:
    async def test(runtime: Runtime) -> None:
        with pytest.raises(InvalidGraphError) as caught:
            await runtime.start(workflow)
        assert told in str(caught.value)
        assert await runtime.store.find(tenant=None) == []

    with_runtime(test)
