"""The router: pure, explained, learning from outcomes; and its difficulty model."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import InvalidInputError, NotFoundError, RefusedError
from fairlead.gateway.catalogue import Catalogue
from fairlead.gateway.config import parse_config
from fairlead.gateway.gateway import Gateway
from fairlead.gateway.messages import GenerationRequest
from fairlead.gateway.routing.difficulty import load_difficulty
from fairlead.gateway.routing.posteriors import posterior
from fairlead.gateway.routing.router import Candidate, Wanted, decide
from fairlead.gateway.routing.training import train_difficulty
from fairlead.gateway.routing.verifiers import agreement, likely, names_a_label, schema_fault
from fairlead.testing.model_server import ModelServer
from tests.gateway.support import HandClock, priced

Make = Callable[..., Gateway]
BOOK = Catalogue(
    parse_config(
        {
            "providers": {"home": {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "local": True}},
            "models": {"home:llama": {"context_window": 8000}},
        }
    ),
    HandClock(1_795_000_000.0),
)
LOCAL, CHEAP, DEAR = BOOK.get("home:llama"), BOOK.get("openai:gpt-4.1-nano"), BOOK.get("openai:gpt-4")


def candidates(**more: object) -> list[Candidate]:
    found = []
    for info in (LOCAL, CHEAP, DEAR):
        assert info.price is not None
        found.append(Candidate(info, posterior(info.prior), 0.0, info.price.ceiling(500, 500), **more))  # type: ignore[arg-type]
    return found


def test_local_first_when_it_is_good_enough() -> None:
    decision = decide(Wanted(floor=0.5), candidates())
    assert decision.model == "home:llama"
    assert "cheapest" in decision.reasons[0]
    assert decision.chain[0] == "home:llama" and len(decision.chain) == 3


def test_the_quality_floor_is_the_knob() -> None:
    assert decide(Wanted(floor=0.65), candidates()).model == CHEAP.id
    assert decide(Wanted(floor=0.85), candidates()).model == DEAR.id
    unreachable = decide(Wanted(floor=0.999), candidates())
    assert unreachable.model == DEAR.id
    assert "no model reaches" in unreachable.reasons[0]


def test_a_cost_ceiling_is_the_other_knob() -> None:
    decision = decide(Wanted(floor=0.85, most_nano=1_000_000), candidates())
    assert decision.model == CHEAP.id
    against = {c.model: c.against for c in decision.candidates}
    assert "above the limit" in against[DEAR.id]


def test_force_and_budget_narrow_the_choice() -> None:
    assert decide(Wanted(force_cloud=True, floor=0.0), candidates()).model == CHEAP.id
    assert decide(Wanted(force_local=True, floor=0.9), candidates()).model == LOCAL.id
    assert decide(Wanted(local_only=True, floor=0.9), candidates()).model == LOCAL.id


def test_what_cannot_serve_says_why() -> None:
    decision = decide(Wanted(input_tokens=9000, floor=0.5), candidates())
    assert decision.model == CHEAP.id
    assert "too short" in decision.candidates[0].against
    with pytest.raises(RefusedError, match="lacks vision"):
        decide(Wanted(needs=frozenset({"vision"})), candidates())


def test_difficulty_moves_expected_quality() -> None:
    easy, hard = candidates(), [c._replace(shift=-2.0 if c.info is CHEAP else 0.0) for c in candidates()]
    wanted = Wanted(floor=0.65, force_cloud=True)
    assert decide(wanted, easy).model == CHEAP.id
    assert decide(wanted, hard).model == DEAR.id


def test_outcomes_outweigh_the_prior() -> None:
    learnt = [c._replace(posterior=posterior(c.info.prior, 1, 30)) if c.info is LOCAL else c for c in candidates()]
    assert decide(Wanted(floor=0.5), learnt).model == CHEAP.id


def test_shadow_samples_take_the_least_known_other() -> None:
    known = [c._replace(posterior=posterior(0.7, 20, 5)) if c.info is CHEAP else c for c in candidates()]
    decision = decide(Wanted(floor=0.5), known, chance=0.001, shadow=0.01)
    assert decision.explored
    assert decision.model == DEAR.id
    assert decision.chain[0] == DEAR.id


def test_shadow_samples_are_as_rare_as_policy_says() -> None:
    rng = random.Random(3)
    explored = sum(
        decide(Wanted(floor=0.5), candidates(), chance=rng.random(), shadow=0.02).explored for _ in range(3000)
    )
    assert 30 <= explored <= 95


@given(
    st.floats(0, 1),
    st.booleans(),
    st.booleans(),
    st.integers(0, 20_000),
    st.one_of(st.none(), st.integers(0, 10**9)),
    st.floats(-3, 3),
)
@settings(max_examples=200, deadline=None)
def test_a_decision_never_breaks_its_own_rules(
    floor: float, local: bool, cloud: bool, tokens: int, most: int | None, shift: float
) -> None:
    wanted = Wanted(
        floor=floor, force_local=local, force_cloud=cloud and not local, input_tokens=tokens, most_nano=most
    )
    found = [c._replace(shift=shift) for c in candidates()]
    try:
        decision = decide(wanted, found)
    except RefusedError as exc:
        assert len(exc.fields["candidates"]) == 3
        return
    chosen = next(c for c in decision.candidates if c.model == decision.model)
    assert not chosen.against
    good = [c for c in decision.candidates if not c.against and c.quality >= floor]
    if good:
        assert chosen.price_nano == min(c.price_nano or 0 for c in good)
    assert decide(wanted, found) == decision


def test_intervals_hold_the_mean_and_shrink() -> None:
    few, many = posterior(0.7, 3, 1), posterior(0.7, 300, 100)
    for p in (few, many):
        low, high = p.interval()
        assert low < p.mean < high
    assert many.interval()[1] - many.interval()[0] < 0.1 < few.interval()[1] - few.interval()[0]


def test_a_trained_model_is_saved_without_pickle_and_read_back(tmp_path: Path) -> None:
    rng = random.Random(1)
    hard = ["prove the theorem", "derive the integral", "abstract algebra"]
    easy = ["capital city", "colour of the sky", "name of the animal"]
    prompts, weak = [], []
    for n in range(240):
        is_hard = n % 2 == 0
        prompts.append(
            f"{rng.choice(hard if is_hard else easy)} about {rng.choice(['apples', 'boats', 'rings'])} {n % 5}"
        )
        weak.append(float(rng.random() < (0.2 if is_hard else 0.9)))
    strong = [float(rng.random() < 0.9) for _ in prompts]
    trained = train_difficulty(prompts, {"weak": weak, "strong": strong})
    assert trained.probabilities("prove the theorem")["weak"] < 0.5 < trained.probabilities("capital city")["weak"]
    trained.save(tmp_path / "difficulty.npz")
    assert b"pickle" not in (tmp_path / "difficulty.npz").read_bytes()
    again = load_difficulty(tmp_path / "difficulty.npz")
    for prompt in ("prove the theorem", "capital city about boats", "", "日本"):
        assert again.logits(prompt) == pytest.approx(trained.logits(prompt), abs=1e-4)
    (tmp_path / "bad.npz").write_bytes(b"not a model")
    with pytest.raises(InvalidInputError):
        load_difficulty(tmp_path / "bad.npz")


def test_training_needs_outcomes_of_both_kinds() -> None:
    prompts = [f"prompt {n}" for n in range(50)]
    with pytest.raises(InvalidInputError, match="alike"):
        train_difficulty(prompts, {"m": [1.0] * 50})
    with pytest.raises(InvalidInputError, match="too few"):
        train_difficulty(prompts[:5], {"m": [1.0, 0.0, 1.0, 0.0, 1.0]})
    with pytest.raises(InvalidInputError, match="outcomes for"):
        train_difficulty(prompts, {"m": [1.0]})


@pytest.mark.usefixtures("tenant")
async def test_reported_outcomes_change_the_next_decision(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server, quality_floor=0.6))
    request = GenerationRequest(prompt="Write a line.", max_tokens=20)
    before = gateway.route(request).candidates[1]
    for _ in range(6):
        response = await gateway.generate(request)
        await gateway.report_outcome(response.request_id, 0.0)
    after = gateway.route(request).candidates[1]
    assert after.quality < 0.35 < before.quality
    assert after.samples == 6
    with pytest.raises(NotFoundError):
        await gateway.report_outcome("req_nothing", 1.0)
    with pytest.raises(InvalidInputError):
        await gateway.report_outcome(response.request_id, 2.0)
    await gateway.close()


def test_verifiers() -> None:
    assert agreement(["Paris", "paris.", "Lyon"]).passed
    assert not agreement(["Paris", "Lyon", "Nice"]).passed
    assert likely([-0.1, -0.2]).passed and not likely([-3.0, -2.0]).passed and not likely([]).passed
    labelled = GenerationRequest(prompt="x", labels=("spam: unwanted", "ham"))
    assert names_a_label(labelled, "It is spam.").passed
    assert not names_a_label(labelled, "spam or ham").passed
    schema = {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"type": "integer", "minimum": 1}, "tags": {"type": "array", "items": {"enum": ["a"]}}},
        "additionalProperties": False,
    }
    assert schema_fault({"n": 1, "tags": ["a"]}, schema) == ""
    for bad in ({}, {"n": 0}, {"n": True}, {"n": 1.5}, {"n": 1, "x": 1}, {"n": 1, "tags": ["b"]}, []):
        assert schema_fault(bad, schema)
