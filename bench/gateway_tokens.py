"""Tokens saved: sentence selection on XQuAD, and columnar text on real tool output.

Counts with the package's own estimate, and with the Tekken vocabulary of mistral-common where that is installed.
Usage: python bench/gateway_tokens.py
"""

from __future__ import annotations

import json
import lzma
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairlead.gateway.efficiency.columnar import decode, encode
from fairlead.gateway.efficiency.selection import KEEP_ABOVE, select
from fairlead.gateway.tokens import estimate_tokens

BARS = {"cut": 0.323, "verbatim": 0.95, "columnar": 0.55}


def read(path: Path) -> Any:
    raw = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    return json.loads(raw)


def exact_counter() -> Callable[[str], int] | None:
    try:
        import mistral_common
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    except ImportError:
        return None
    file = sorted((Path(mistral_common.__file__).parent / "data").glob("tekken_*.json"))[-1]
    tekken = Tekkenizer.from_file(str(file))
    return lambda text: len(tekken.encode(text, bos=False, eos=False))


def sentences(root: Path, count: Callable[[str], int], keep_above: float) -> tuple[float, float, int]:
    """(share of tokens cut, share of answers kept verbatim, questions)."""
    before = after = kept = questions = 0
    for article in read(root / "qa-xquad-en" / "xquad.en.json.xz")["data"]:
        for paragraph in article["paragraphs"]:
            whole = count(paragraph["context"])
            for question in paragraph["qas"]:
                text = select(question["question"], paragraph["context"], keep_above=keep_above).text
                before += whole
                after += count(text)
                kept += any(answer["text"] in text for answer in question["answers"])
                questions += 1
    return 1 - after / before, kept / questions, questions


def tool_outputs(root: Path) -> dict[str, list[str]]:
    """JSON texts of real tools: tables as tools list them, and what an airline's tools really returned to an agent."""
    tau = root / "trace-tau-bench"
    airline, retail = tau / "env" / "airline", tau / "env" / "retail"
    found = {
        "flights, 20 with 30 dates": [json.dumps(dict(list(read(airline / "flights.json.xz").items())[:20]))],
        "reservations, list of 30": [json.dumps(list(read(airline / "reservations.json.xz").values())[:30])],
        "users, list of 20": [json.dumps(list(read(airline / "users.json.xz").values())[:20])],
        "orders, list of 20": [json.dumps(list(read(retail / "orders.json.xz").values())[:20])],
        "products, map of 5": [json.dumps(dict(list(read(retail / "products.json").items())[:5]))],
    }
    for run in read(tau / "gpt-4o-airline.json.xz"):
        for turn in run["traj"]:
            if turn.get("role") == "tool" and str(turn["content"]).startswith(("[", "{")):
                found.setdefault(f"tool {turn['name']}", []).append(turn["content"])
    return found


def main() -> None:
    root = Path(os.environ.get("FAIRLEAD_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / "qa-xquad-en").is_dir():
        raise SystemExit(f"skipped: no qa-xquad-en under {root} (set FAIRLEAD_DATA)")
    exact = exact_counter()
    counters: dict[str, Callable[[str], int]] = {"estimate": estimate_tokens}
    if exact is not None:
        counters["Tekken"] = exact
    began = time.process_time()
    for name, count in counters.items():
        for keep_above in sorted({0.3, KEEP_ABOVE, 0.5}):
            cut, kept, questions = sentences(root, count, keep_above)
            mark = "  (default)" if keep_above == KEEP_ABOVE else ""
            print(f"XQuAD, {questions} questions, {name:8} keep above {keep_above:.2f}: ", end="")
            print(f"cut {cut:6.1%}, answers kept {kept:6.1%}{mark}")
            if keep_above == KEEP_ABOVE:
                print(
                    "met " if cut >= BARS["cut"] and kept >= BARS["verbatim"] else "MISSED",
                    " >= 32.3 % cut, >= 95 % kept",
                )
    print(
        f"\n{'structured tool output':34}"
        + "".join(f"{n:>10}" for n in counters)
        + "   (share cut, against JSON as it came)"
    )
    sums = {name: [0, 0, 0, 0] for name in counters}
    for name, texts in tool_outputs(root).items():
        shown = []
        encoded = [encode(json.loads(text)) for text in texts]
        for text, short in zip(texts, encoded, strict=True):
            assert json.dumps(decode(short), sort_keys=True) == json.dumps(json.loads(text), sort_keys=True)
        for counter, count in counters.items():
            # What does not get shorter is sent as it came.
            pairs = [(count(t), min(count(t), count(e))) for t, e in zip(texts, encoded, strict=True)]
            before, after = sum(p[0] for p in pairs), sum(p[1] for p in pairs)
            at = 2 if name.startswith("tool") else 0
            sums[counter][at] += before
            sums[counter][at + 1] += after
            shown.append(1 - after / before)
        print(f"{name:34}" + "".join(f"{s:10.1%}" for s in shown))
    for at, label in ((0, "tables"), (2, "single tool answers")):
        shares = {c: 1 - s[at + 1] / s[at] for c, s in sums.items()}
        print(f"{label + ', together':34}" + "".join(f"{s:10.1%}" for s in shares.values()))
        if at == 0:
            print(
                "met " if shares["estimate"] >= BARS["columnar"] else "MISSED",
                " >= 55 % of structured output, lossless",
            )
    print(f"CPU {time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
