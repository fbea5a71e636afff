"""The house is as ARCHITECTURE.md draws it, and nothing in it speaks of where it was built."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.runtime.states import TRANSITIONS
from fairlead.verbs import every_verb

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "fairlead"


def _tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        pytest.skip("this is no git working tree")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_root_stays_small() -> None:
    entries = {path.relative_to(ROOT).parts[0] for path in _tracked()}
    assert len(entries) <= 16, sorted(entries)
    assert sum(entry.endswith(".md") for entry in entries) <= 5


def test_imports_run_downhill() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "docs/reference/run-states.md"])
def test_the_state_diagram_is_the_code(page: str) -> None:
    diagram = re.search(r"stateDiagram-v2\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    assert diagram is not None
    arrows = set(re.findall(r"(\w+) --> (\w+)", diagram[1]))
    assert arrows == {(source.value, target.value) for source, targets in TRANSITIONS.items() for target in targets}


def test_every_room_is_in_the_drawing() -> None:
    drawing = re.search(r"```text\n(src/fairlead/.*?)```", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.DOTALL)
    assert drawing is not None
    drawn = set(re.findall(r"[├└]── ([\w.]+/?)", drawing[1]))
    rooms = {f"{path.parent.name}/" for path in SOURCE.glob("*/__init__.py")}
    modules = {path.name for path in SOURCE.glob("*.py")} - {"__init__.py"}
    assert rooms | modules <= drawn
    assert drawn - rooms - modules <= {"llm/", "templates/", "migrations/"}


def test_every_room_says_what_it_is() -> None:
    for path in SOURCE.rglob("__init__.py"):
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        assert len(doc.split()) >= 4, f"{path.relative_to(ROOT)} does not say what it is"


_ELSEWHERE = (
    # Where a machine keeps its things is no concern of a reader; written so that this file does not match itself.
    re.compile(r"/wo" + r"rk/\w"),
    re.compile(r"https?://[^\s\"'<>)]*/simp" + r"le/?(?=[\s\"'<>)]|$)"),
    re.compile(r"\b(artif" + r"actory|nex" + r"us\.|jf" + r"rog|devp" + r"i)", re.IGNORECASE),
    re.compile(r"co-author" + r"ed-by", re.IGNORECASE),
)


def test_nothing_names_the_machine_it_was_built_on() -> None:
    found = []
    for path in _tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if any(pattern.search(line) for pattern in _ELSEWHERE):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert found == []


def test_verbs_are_consistent() -> None:
    seen: set[tuple[str, str]] = set()
    for verb in every_verb():
        for word in (verb.verb, *verb.aliases):
            assert (verb.noun, word) not in seen, f"`{verb.noun} {word}` is two verbs"
            seen.add((verb.noun, word))
        assert verb.summary and not re.search(r"[^.]\.$", verb.summary), verb.name
        spellings = [s for p in verb.params for s in ([] if p.positional else [p.flag]) + list(p.aliases)]
        assert len(spellings) == len(set(spellings)), f"{verb.name} spells two parameters alike"
        assert verb.role in ("viewer", "operator", "admin")
        assert not (verb.changes and verb.role == "viewer"), f"{verb.name} changes things and asks for no role"


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def test_no_broad_except_is_silent() -> None:
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or (isinstance(node.type, ast.Name) and node.type.id in _BROAD)
            if broad and all(isinstance(one, (ast.Pass, ast.Continue)) or _returns_nothing(one) for one in node.body):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


_BROAD = frozenset({"Exception", "BaseException"})


def _returns_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Return) and (
        statement.value is None
        or (isinstance(statement.value, ast.Constant) and statement.value.value in (None, False))
    )


def test_constructors_stay_small() -> None:
    found = []
    for path in SOURCE.rglob("*.py"):
        for function in _functions(ast.parse(path.read_text("utf-8"))):
            arguments = function.args
            count = len(arguments.args) + len(arguments.kwonlyargs) - 1
            if function.name == "__init__" and count > 8 and path.name != "table.py":
                found.append(f"{path.relative_to(ROOT)}:{function.lineno} takes {count}")
    assert found == []


def test_only_settings_reads_the_environment() -> None:
    found = []
    for path in SOURCE.rglob("*.py"):
        if path.name == "settings.py" and path.parent == SOURCE:
            continue
        if re.search(r"\bos\.(environ|getenv)\b|\bfrom os import .*\b(environ|getenv)\b", path.read_text("utf-8")):
            found.append(str(path.relative_to(ROOT)))
    assert found == []
