"""How often real git conflicts under different layouts of a ticket: the figures of docs/adr/0010-ticket-storage.md.

python bench/tickets_merges.py
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

ROUNDS = 300
FIELDS = ["title", "status", "priority", "type", "assignee", "epic_id", "story_points", "due_date", "branch", "commit"]
CONTENT = "label: {}\nby: ann\nat: 2026-11-20\n"
WORDS = [f"label{n}" for n in range(40)]

Layout = Callable[[Iterable[str]], str]


def conflicts(folder: Path, base: str, ours: str, theirs: str) -> bool:
    for name, text in (("base", base), ("ours", ours), ("theirs", theirs)):
        (folder / name).write_text(text)
    done = subprocess.run(
        ["git", "merge-file", "-p", "ours", "base", "theirs"], cwd=folder, capture_output=True, check=False
    )
    return done.returncode != 0


def disjoint_fields(folder: Path, between: str, dice: random.Random) -> int:
    """Conflicts when two branches change disjoint halves of the fields."""

    def text(values: dict[str, str]) -> str:
        return "---\n" + "".join(f"{name}: {value}".rstrip() + between for name, value in values.items()) + "---\n"

    found = 0
    for _ in range(ROUNDS):
        base = {name: dice.choice(["", "open", "2", "ann"]) for name in FIELDS}
        names = dice.sample(FIELDS, len(FIELDS))
        cut = dice.randrange(1, len(names))
        ours, theirs = dict(base), dict(base)
        for side, own in ((ours, names[:cut]), (theirs, names[cut:])):
            for name in own:
                if dice.random() < 0.8:
                    side[name] = dice.choice(["", "closed", "3", "bob", "open"])
        found += conflicts(folder, text(base), text(ours), text(theirs))
    return found


def appended(labels: Iterable[str]) -> str:
    return "title: x\n\nlabels:\n" + "".join(f"- {label}\n" for label in labels) + "status: y\n"


def sorted_apart(labels: Iterable[str]) -> str:
    return "title: x\n\nlabels:\n" + "".join(f"- {label}\n\n" for label in sorted(labels)) + "status: y\n"


def in_sections(labels: Iterable[str]) -> str:
    lines = ["title: x\n"]
    for section in range(16):
        lines.append(f"# {section}\n")
        lines += [f"- {label}\n" for label in sorted(labels) if zlib.crc32(label.encode()) % 16 == section]
    return "".join([*lines, "status: y\n"])


def one_label_each(folder: Path, layout: Layout, dice: random.Random) -> int:
    found = 0
    for _ in range(ROUNDS):
        base = dice.sample(WORDS, 3)
        new = dice.sample([word for word in WORDS if word not in base], 2)
        found += conflicts(folder, layout(base), layout([*base, new[0]]), layout([*base, new[1]]))
    return found


def files_each(content: str, rounds: int, dice: random.Random) -> int:
    """Conflicts when both branches remove the same label file and add another one."""
    found = 0
    for _ in range(rounds):
        base = dice.sample(WORDS, 3)
        new = dice.sample([word for word in WORDS if word not in base], 2)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)

            def git(*words: str, folder: Path = folder) -> int:
                call = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", *words]
                return subprocess.run(call, cwd=folder, capture_output=True, check=False).returncode

            git("init", "-q", "-b", "main")
            for label in base:
                (folder / f"label.{label}").write_text(content.format(label))
            git("add", ".")
            git("commit", "-qm", "base")
            git("checkout", "-qb", "other")
            for turn, branch in enumerate(("other", "main")):
                git("checkout", "-q", branch)
                (folder / f"label.{base[0]}").unlink()
                (folder / f"label.{new[turn]}").write_text(content.format(new[turn]))
                git("add", "-A", ".")
                git("commit", "-qm", "change")
            found += git("merge", "-q", "--no-edit", "other") != 0
    return found


def main() -> None:
    dice = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"disjoint fields, neighbouring lines: {disjoint_fields(folder, chr(10), dice)} of {ROUNDS}")
        print(f"disjoint fields, empty lines between: {disjoint_fields(folder, chr(10) * 2, dice)} of {ROUNDS}")
        for layout in (appended, sorted_apart, in_sections):
            print(f"a label each, {layout.__name__}: {one_label_each(folder, layout, dice)} of {ROUNDS}")
    print(f"a file a label, with content: {files_each(CONTENT, 40, dice)} of 40")
    print(f"a file a label, empty: {files_each('', 40, dice)} of 40")


if __name__ == "__main__":
    main()
