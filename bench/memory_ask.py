"""Whether `ask` quotes the right section: 40 questions over the topics of Python's own help (``pydoc_data.topics``).

    python bench/memory_ask.py [--show]

The topics are written to files, read and remembered as `content-brief` does, and asked about as `fairlead ask` does. A
question is answered rightly when the first sentence that is quoted stands in one of the topics that deal with it. Half
of the questions name their topic by words that are mostly grammar ("with", "if", "in"). The topics come with Python, so
figures differ a little from one release of it to the next.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import fairlead
from fairlead.pipeline.agents import COLLECTION
from fairlead.pipeline.asking import ask

NAMED_BY_GRAMMAR: dict[str, tuple[str, ...]] = {
    "What does the with statement do?": ("with",),
    "What is the if statement used for?": ("if",),
    "What is the while statement for?": ("while",),
    "What is the for statement used for?": ("for",),
    "How does the for statement work?": ("for",),
    "When is the else clause of a loop executed?": ("else", "for", "while"),
    "What does the pass statement do?": ("pass",),
    "What does the try statement specify?": ("try",),
    "What does the from form of the import statement do?": ("import",),
    "What do the in and not in operators test?": ("in",),
    'What does the "not" operator yield?': ("booleans",),
    "What does the or expression evaluate first?": ("booleans",),
    "What does the and expression return?": ("booleans",),
    "What does the is operator compare?": ("comparisons", "in"),
    "What is a with statement context manager?": ("with", "context-managers"),
    "What happens when the with statement raises an exception?": ("with", "context-managers"),
    "Can the if statement have elif parts?": ("if",),
    "What does the continue statement do?": ("continue",),
    "What does the break statement terminate?": ("break",),
    "What does `del` do to a target list?": ("del",),
}

NAMED_BY_SUBJECT: dict[str, tuple[str, ...]] = {
    "What is the global statement?": ("global",),
    "What does the nonlocal statement do?": ("nonlocal",),
    "What does the assert statement insert into a program?": ("assert",),
    "What are lambda expressions?": ("lambda",),
    "What does the return statement do?": ("return",),
    "What does the raise statement do without expressions?": ("raise",),
    "What is the yield statement equivalent to?": ("yield",),
    "What is an augmented assignment?": ("augassign",),
    "What does a slicing select?": ("slicings",),
    "What is the power operator?": ("power",),
    "What do the shifting operators accept?": ("shifting",),
    "What are identifiers?": ("identifiers", "id-classes"),
    "What are integer literals?": ("integers", "numbers"),
    "What are imaginary literals?": ("imaginary", "numbers"),
    "What are floating point literals?": ("floating", "numbers"),
    "What are class definitions?": ("class",),
    "What does a function definition define?": ("function",),
    "What is truth value testing?": ("truth",),
    "How can the debugger be started?": ("debugger",),
    "What are formatted string literals?": ("strings", "formatstrings"),
}


def _deals_with(statement: dict[str, Any], topic: str) -> bool:
    """Whether a statement stands in a topic; some sections are printed word for word in a second one."""
    return Path(statement["source"]).stem == topic or _plain(statement["text"]) in _plain(topics[topic])


def _plain(text: str) -> str:
    return " ".join(text.split())


async def remembered(lead: Any, folder: Path) -> None:
    for name, text in topics.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    result = await (await lead.start("content-brief", {"paths": [str(folder)]})).result()
    assert result.success, result.error


async def rightly(lead: Any, questions: dict[str, tuple[str, ...]], show: bool) -> tuple[int, int]:
    """How many were answered, and how many of these from a section that deals with the question."""
    answered = right = 0
    for question, expected in questions.items():
        found = await ask(lead.memory, question, name=COLLECTION)
        first = found["statements"][0] if found["answered"] else None
        hit = first is not None and any(_deals_with(first, name) for name in expected)
        answered += first is not None
        right += hit
        if show and not hit:
            said = (
                f"{Path(first['source']).stem}: {' '.join(first['text'].split())[:100]}" if first else found["reason"]
            )
            print(f"    {question}  [{', '.join(expected)}]\n        {said}")
    return answered, right


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--show", action="store_true", help="print what was answered wrongly")
    show = parser.parse_args().show
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "topics"
        folder.mkdir()
        async with fairlead.open(home=f"{home}/home") as lead:
            await remembered(lead, folder)
            total = 0
            print(f"{len(topics)} topics of Python {sys.version.split()[0]}")
            for title, questions in (("named by grammar", NAMED_BY_GRAMMAR), ("named by subject", NAMED_BY_SUBJECT)):
                answered, right = await rightly(lead, questions, show)
                total += right
                print(f"  {title:<18} {len(questions)} questions: {answered} answered, {right} from the right topic")
    asked = len(NAMED_BY_GRAMMAR) + len(NAMED_BY_SUBJECT)
    print(f"  together {total} of {asked}  bar >= 32  {'met' if total >= 32 else 'MISSED'}")
    return 0 if total >= 32 else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
