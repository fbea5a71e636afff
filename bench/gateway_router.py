"""Routing between a strong and a weak model on real outcomes (MMLU, from the RouteLLM evaluation).

Reports how much of the gap between the two models is recovered at each share of strong calls: APGR is the mean over
all shares, CPT50 and CPT80 the shares that recover 50 % and 80 %. By cross-validation, and with whole subjects held
out. Usage: python bench/gateway_router.py [--seeds 3]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import lzma
import os
import tarfile
import time
from pathlib import Path

import numpy as np

STRONG, WEAK = "openrouter:openai/gpt-4-1106-preview", "openrouter:mistralai/mixtral-8x7b-instruct"
BARS = {"apgr": 0.70, "cpt50": 25.0, "cpt80": 55.0, "held_apgr": 0.60}
# Ong et al., "RouteLLM: Learning to Route LLMs with Preference Data" (arXiv 2406.18665v4), table 2, 5-shot
# MMLU: routers trained on arena preferences and about 1,500 golden labels of MMLU's validation split. They saw other
# prompts than these.
PUBLISHED = [
    ("RouteLLM similarity-weighted ranking", 35.40, 71.55, 0.603),
    ("RouteLLM matrix factorisation", 35.46, 71.40, 0.597),
    ("RouteLLM BERT classifier", 41.30, 72.20, 0.572),
    ("RouteLLM causal LLM", 35.49, 70.31, 0.600),
    ("random", 50.07, 79.93, 0.500),
]


def load(root: Path) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Prompts, correctness of the weak and of the strong model, and the subject of each."""
    prompts, weak, strong, subject = [], [], [], []
    raw = lzma.decompress((root / "route-routellm" / "mmlu_responses.tar.xz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            if not member.name.endswith(".csv"):
                continue
            file = archive.extractfile(member)
            assert file is not None
            for row in csv.DictReader(io.TextIOWrapper(file, "utf-8")):
                prompts.append(row["prompt"])
                weak.append(row["mistralai/Mixtral-8x7B-Instruct-v0.1"] == "True")
                strong.append(row["gpt-4-1106-preview"] == "True")
                subject.append(member.name)
    return prompts, np.array(weak, float), np.array(strong, float), np.unique(subject, return_inverse=True)[1]


def gap_recovered(score: np.ndarray, weak: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """Share of the gap recovered when the n prompts of highest score go to the strong model, for every n."""
    order = np.argsort(-score, kind="stable")
    gains = (strong - weak)[order]
    return np.concatenate([[0.0], np.cumsum(gains)]) / gains.sum()


def figures(score: np.ndarray, weak: np.ndarray, strong: np.ndarray) -> tuple[float, float, float]:
    """(APGR, CPT50, CPT80)."""
    curve = gap_recovered(score, weak, strong)
    share = [100 * int(np.argmax(curve >= part)) / len(weak) for part in (0.5, 0.8)]
    return float(curve.mean()), share[0], share[1]


def predict(
    prompts: list[str], quality: dict[str, np.ndarray], folds: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Expected gain of the strong model for every prompt, each from a model that never saw it."""
    from fairlead.gateway.routing.training import Outcomes

    outcomes = Outcomes(prompts)
    gain = np.zeros(len(prompts))
    for train, test in folds:
        difficulty = outcomes.train(quality, train)
        for n in test:
            found = difficulty.probabilities(prompts[n])
            gain[n] = found["strong"] - found["weak"]
    return gain


def print_savings(gain: np.ndarray, prompts: list[str], weak: np.ndarray, strong: np.ndarray) -> None:
    """What routing at a given share of strong calls would have cost and scored, against always the strong model."""
    from fairlead.clock import SystemClock
    from fairlead.gateway import Catalogue, parse_config
    from fairlead.gateway.prices import Usage
    from fairlead.gateway.tokens import estimate_tokens

    book = Catalogue(parse_config({}), SystemClock())
    dear, cheap = book.get(STRONG).price, book.get(WEAK).price
    if dear is None or cheap is None:
        print("prices of the pair are unknown, so no savings are claimed")
        return
    usages = [Usage(estimate_tokens(p), 0, 0, 4) for p in prompts]
    high, low = (np.array([price.cost(u) for u in usages], float) for price in (dear, cheap))
    order = np.argsort(-gain, kind="stable")
    rng = np.random.default_rng(0)
    print(f"\nlever routing alone, at {STRONG} and {WEAK}, input tokens estimated and 4 of output:")
    for part in (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0):
        sent = np.zeros(len(prompts), bool)
        sent[order[: round(part * len(prompts))]] = True
        cost, score = np.where(sent, high, low), np.where(sent, strong, weak)
        picks = rng.integers(0, len(prompts), (300, len(prompts)))
        kept = score[picks].sum(axis=1) / strong[picks].sum(axis=1)
        interval = np.quantile(kept, [0.025, 0.975])
        print(
            f"  {part:5.0%} strong: cost x {cost.sum() / high.sum():.3f}, score kept {score.sum() / strong.sum():.1%}"
            f" (95 %: {interval[0]:.1%} to {interval[1]:.1%})"
        )


def main() -> None:
    from sklearn.model_selection import GroupKFold, KFold

    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    root = Path(os.environ.get("FAIRLEAD_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / "route-routellm").is_dir():
        raise SystemExit(f"skipped: no route-routellm under {root} (set FAIRLEAD_DATA)")
    prompts, weak, strong, subject = load(root)
    quality = {"weak": weak, "strong": strong}
    began = time.process_time()
    rows, first = [], np.zeros(0)
    for seed in range(arguments.seeds):
        cross = list(KFold(5, shuffle=True, random_state=seed).split(prompts))
        held = list(GroupKFold(5, shuffle=True, random_state=seed).split(prompts, groups=subject))
        gain = predict(prompts, quality, cross)
        first = first if len(first) else gain
        rows.append(figures(gain, weak, strong) + figures(predict(prompts, quality, held), weak, strong))
    table = np.array(rows)
    mean, spread = table.mean(axis=0), table.std(axis=0)
    gains = strong - weak
    print(
        f"{len(prompts)} prompts; weak {weak.mean():.3f}, strong {strong.mean():.3f}; {arguments.seeds} seeds, 5 folds"
    )
    print(f"{'router':46} {'CPT50 %':>8} {'CPT80 %':>8} {'APGR':>7}")
    print(f"{'fairlead, cross-validated':46} {mean[1]:8.2f} {mean[2]:8.2f} {mean[0]:7.4f}  (sd {spread[0]:.4f})")
    print(f"{'fairlead, held-out subjects':46} {mean[4]:8.2f} {mean[5]:8.2f} {mean[3]:7.4f}  (sd {spread[3]:.4f})")
    for name, cpt50, cpt80, apgr in PUBLISHED:
        print(f"{name:46} {cpt50:8.2f} {cpt80:8.2f} {apgr:7.3f}  published (table 2)")
    oracle = figures(gains, weak, strong)
    print(f"{'oracle that knows both answers':46} {oracle[1]:8.2f} {oracle[2]:8.2f} {oracle[0]:7.4f}")
    needed = 100 * (np.ceil(0.95 * strong.sum()) - weak.sum()) / len(prompts)
    print(f"ceiling: 95 % of the strong model's score needs at least {needed:.1f} % strong calls on this pair")
    checks = {
        "in-domain APGR >= 0.70": mean[0] >= BARS["apgr"],
        "in-domain CPT50 <= 25 %": mean[1] <= BARS["cpt50"],
        "in-domain CPT80 <= 55 %": mean[2] <= BARS["cpt80"],
        "held-out APGR >= 0.60": mean[3] >= BARS["held_apgr"],
    }
    print_savings(first, prompts, weak, strong)
    for name, met in checks.items():
        print(f"{'met ' if met else 'MISSED'}  {name}")
    print(f"CPU {time.process_time() - began:.0f} s")
    if arguments.json:
        names = ["apgr", "cpt50", "cpt80", "held_apgr", "held_cpt50", "held_cpt80"]
        arguments.json.write_text(json.dumps(dict(zip(names, mean.tolist(), strict=True)), indent=1))


if __name__ == "__main__":
    main()
