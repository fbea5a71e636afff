"""The doctor: what is wrong with the files of a board, and mending what can be mended."""

from __future__ import annotations

import os

from fairlead.store import ticket_sql as sql
from fairlead.tickets import files, intents, layout
from fairlead.tickets.driver import rewrite
from fairlead.tickets.graph import find_cycle
from fairlead.tickets.identifiers import new_thing_id
from fairlead.tickets.merge import settle_text, split_sides

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from fairlead.tickets.identifiers import Entropy


def examine(board: Any) -> list[str]:
    """Everything that is wrong, each as ``file:line: what``: unreadable files, unsettled merges, impossible values,
    names that do not belong, links that lead nowhere, circles."""
    board.refresh(force=True)
    found = [text for _, text in board.problems()]
    rows, key = board.rows, board.board
    known = {row[0] for row in rows("SELECT id FROM tk_things WHERE board = ?", [key])}
    for type_ in ("blocked_by", "related_to", "discovered_from"):
        for node, other in sql.edges(rows, key, type_):
            if other not in known:
                name = layout.mark_name(type_, other)
                found.append(f"{node}/{name}:1: there is no {other} on this branch, so this link holds nothing back")
    for type_ in ("blocked_by", "parent"):
        edges = sql.edges(rows, key, type_)
        cycle = find_cycle(edges, sorted({node for node, _ in edges}))
        if cycle:
            found.append(
                f"{cycle[0]}.md:1: a merge closed a circle: {' -> '.join(cycle)} ({type_}); unlink one of them"
            )
    return found


def mend(board: Any, *, stage: bool = False, entropy: Entropy = os.urandom) -> list[str]:
    """Settles what merges left, finishes an interrupted write, removes what a killed process left lying, and says
    what it did. Values that a person has to choose stay as they are. With ``stage`` settled files are added to git's
    index, which tells git that the conflict is over."""
    done: list[str] = []
    place = board.place
    with board.writing():
        for folder, name in _all_files(place.tickets):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, place.tickets).replace(os.sep, "/")
            if name.startswith(".") and name.endswith(".new"):
                os.unlink(path)
                done.append(f"{relative}: removed, a killed process left it")
            elif name.endswith(".md"):
                decided = _settle_file(path, relative, entropy)
                if decided is not None:
                    done.append(decided)
    if stage and place.vcs == "git":
        _stage(place, [f"{line.rpartition(' ')[2]}.md" for line in done if "younger one" in line])
    board.refresh(force=True)
    return done


_IN_PROGRESS = (
    ("rebase-merge", "git rebase --continue"),
    ("rebase-apply/applying", "git am --continue"),
    ("rebase-apply", "git rebase --continue"),
    ("CHERRY_PICK_HEAD", "git cherry-pick --continue"),
    ("REVERT_HEAD", "git revert --continue"),
    ("MERGE_HEAD", "git commit --no-edit"),
)
"""What git's folder holds while something waits for a decision, and the command that goes on with it."""


def next_steps(board: Any) -> list[str]:
    """What is to be done by hand so that git goes on with what a conflict stopped; empty when nothing waits."""
    place = board.place
    if place.vcs != "git":
        return []
    ours, others = _unmerged(place)
    steps = ["fairlead ticket doctor --fix --stage"] if ours else []
    if others:
        shown = ", ".join(os.path.relpath(path, place.root) for path in others[:3])
        steps.append(f"settle {shown}{' and others' if len(others) > 3 else ''}, and `git add` them")
    steps += [
        command for sign, command in _IN_PROGRESS if os.path.exists(os.path.join(place.vcs_dir, *sign.split("/")))
    ][:1]
    return steps


def _all_files(tickets: str) -> Iterator[tuple[str, str]]:
    for name in sorted(os.listdir(tickets)):
        path = os.path.join(tickets, name)
        if os.path.islink(path):
            continue
        if os.path.isdir(path):
            for inner in sorted(os.listdir(path)):
                if not os.path.islink(os.path.join(path, inner)):
                    yield path, inner
        else:
            yield tickets, name


def _settle_file(path: str, relative: str, entropy: Entropy) -> str | None:
    with open(path, "rb") as file:
        data = file.read()
    if b"<<<<<<<" not in data:
        return None
    document = files.parse(data, relative)
    if not document.conflicted:
        return None
    parted = _part(path, data, relative, entropy)
    if parted is not None:
        return parted
    merged, conflicts = settle_text(data, relative)
    if not merged.readable or (conflicts == ("file",) and not merged.fields):
        return None
    intents.replace(path, rewrite(data, document, merged))
    values = ", ".join(f"{name} is now {_brief(merged, name)}" for name in conflicts if name != "file")
    return f"{relative}: settled" + (f" ({values})" if values else "")


def _part(path: str, data: bytes, relative: str, entropy: Entropy) -> str | None:
    """Two things that were given one identifier on two branches: the older keeps it, the other gets its own."""
    sides = split_sides(files.decode(data, relative)[0])
    if sides is None or "/" in relative:
        return None
    documents = []
    for side in sides[1:]:
        document = files.Document(relative)
        files.parse_text(side, document)
        documents.append((document.fields.get("created_at", ""), document.fields.get("title", ""), side))
    if documents[0][0] == documents[1][0]:
        return None
    older, newer = sorted(documents)
    folder = os.path.dirname(path)
    other = new_thing_id(100, lambda name: os.path.lexists(os.path.join(folder, f"{name}.md")), entropy)
    intents.replace(os.path.join(folder, f"{other}.md"), newer[2].encode())
    intents.replace(path, older[2].encode())
    return f"{relative}: settled, two tickets had this identifier; the younger one is now {other}"


def _brief(document: files.Document, name: str) -> str:
    value = document.body if name == "description" else document.fields.get(name, "")
    line = " ".join(value.split())
    return repr(line if len(line) <= 40 else line[:39] + "…")


def _stage(place: Any, made: list[str]) -> None:
    """Tells git that the conflicts of tickets are over: of those settled here, and of those where one side removed a
    file that the other changed (it stays; `fairlead ticket delete` is how tickets go)."""
    import subprocess

    whole = [path for path in _unmerged(place)[0] if os.path.exists(path) and not _has_markers(path)]
    whole += [os.path.join(place.tickets, name) for name in made]
    if whole:
        subprocess.run(["git", "add", "--", *whole], cwd=place.root, check=True, capture_output=True)


def _unmerged(place: Any) -> tuple[list[str], list[str]]:
    """Files that git waits for: those of tickets, and others."""
    import subprocess

    def git(*words: str) -> bytes:
        return subprocess.run(["git", *words], cwd=place.root, check=True, capture_output=True).stdout

    root = os.fsdecode(git("rev-parse", "--show-toplevel").strip())
    names = git("-C", root, "diff", "--name-only", "--diff-filter=U", "-z").split(b"\0")
    paths = [os.path.join(root, os.fsdecode(name)) for name in names if name]
    inside = os.path.join(os.path.realpath(place.tickets), "")
    ours = [path for path in paths if os.path.realpath(path).startswith(inside)]
    return ours, [path for path in paths if path not in ours]


def _has_markers(path: str) -> bool:
    with open(path, "rb") as file:
        return files.has_markers(files.decode(file.read(), path)[0])
