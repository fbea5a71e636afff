"""Questions that name a thing by words of grammar, and sections that are found by what they are called."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import fairlead
from fairlead.pipeline.agents import COLLECTION
from fairlead.pipeline.answer import answer
from fairlead.pipeline.asking import ask
from fairlead.pipeline.text.naming import names_of, phrases_of, quoted_words


@pytest.mark.parametrize(
    ("question", "phrases"),
    [
        ("What does the with statement do?", [("with", "statement")]),
        ("What is a for loop?", [("for", "loop")]),
        ('What does the "not" operator yield?', [("not", "operator")]),
        ("What does `if` test?", [("if", "test")]),
        ("What do the in and not in operators test?", [("in", "operator"), ("not", "in", "operator")]),
        ("What is the port with a customs house for?", []),
        ("Who sailed with the captain?", []),
        ("What is the same as a knot?", []),
        ("the with", []),
        ("", []),
    ],
)
def test_words_of_grammar_are_names_behind_an_article_or_in_quotes(
    question: str, phrases: list[tuple[str, ...]]
) -> None:
    assert phrases_of(question) == phrases


def test_quoted_words() -> None:
    assert quoted_words('Is "with" like `try`, or “else”?') == {"with", "try", "else"}
    assert quoted_words("don't say 'two words' here") == frozenset()


@pytest.mark.parametrize(
    ("title", "heading", "names"),
    [
        ('The "with" statement', "", ("with statement",)),
        ("Knots", "Usage", ("Knots",)),
        ("", "Splicing a rope", ("Splicing a rope",)),
        ("A title that is as long as a whole sentence", "", ()),
        ("", "", ()),
        ("The", "", ()),
    ],
)
def test_what_a_section_may_be_called_by(title: str, heading: str, names: tuple[str, ...]) -> None:
    assert names_of(title, heading) == names


WITH = {
    "title": 'The "with" statement',
    "text": "It wraps a block with a manager that cleans up afterwards.",
    "source": "with.txt",
    "start_char": 0,
}
WHILE = {
    "title": 'The "while" statement',
    "text": 'The "while" statement is used for repeated execution.',
    "source": "while.txt",
    "start_char": 0,
}


@pytest.mark.parametrize(("word", "passage"), [("with", WITH), ("while", WHILE)])
def test_the_section_that_is_called_so_answers(word: str, passage: dict[str, object]) -> None:
    for passages in ([WITH, WHILE], [WHILE, WITH]):
        found = answer(f"What does the {word} statement do?", passages)
        assert found["statements"][0]["source"] == passage["source"]


def test_a_name_that_nothing_is_called_by_does_not_spoil_an_answer() -> None:
    found = answer("What is the while statement used for?", [{**WHILE, "title": "Loops"}])
    assert found["answered"]


def test_what_happens_when_is_not_a_question_for_a_date() -> None:
    passage = {"text": "The valve opens, and steam escapes.", "source": "a"}
    assert answer("What happens when the valve opens?", [passage])["answered"]


def test_a_question_finds_the_section_by_its_name_among_many_alike(tmp_path: Path) -> None:
    """Recall has to bring up the section that is called so although every section has its plain words."""
    names = ["with", "while", "if", "try", "del", "match"]
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in names:
        others = " ".join(f"A statement may stand in another {other} statement." for other in names)
        body = f"This statement is about keyword number {names.index(name)}. {others}"
        (folder / f"{name}.txt").write_text(f'The "{name}" statement\n{"*" * 24}\n\n{body}\n')

    async def main() -> None:
        async with fairlead.open(home=str(tmp_path / "home")) as lead:
            result = await (await lead.start("content-brief", {"paths": [str(folder)]})).result()
            assert result.success, result.error
            for name in ("with", "if", "while"):
                found = await ask(lead.memory, f"What does the {name} statement do?", name=COLLECTION)
                assert Path(found["statements"][0]["source"]).stem == name, found
            hits = await lead.memory.recall("What does the with statement do?", name=COLLECTION, k=1)
            assert hits[0].why["named"] == 1.0

    asyncio.run(main())
