"""Other tools' boards are imported and exported without loss, and changes made in between are kept."""

from __future__ import annotations

import json
import lzma
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.errors import InvalidInputError
from fairlead.tickets.fields import JOURNAL_TYPES, PRIORITIES, TICKET_STATUSES
from fairlead.tickets.interchange import backlog_md, beads, format_for, github, jira, read_text, write_text
from fairlead.tickets.interchange.kept import EXTENSION, OWN, absorb, release, same

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).parents[2].parent / "shared/data")


def shared_text(name: str) -> str:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the shared data set {name} is not here (set FAIRLEAD_DATA)")
    data = path.read_bytes()
    return (lzma.decompress(data) if name.endswith(".xz") else data).decode("utf-8")


# ── real boards ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "count"), [("tix-beads/issues-2026-01-17.jsonl.xz", 2403), ("tix-beads/beads_rust.jsonl.xz", 512)]
)
def test_a_real_beads_board_survives_to_the_last_field(name: str, count: int) -> None:
    source = shared_text(name)
    records = read_text("beads", source)
    assert len(records) == count
    written = write_text("beads", records)
    assert read_text("beads", written) == records
    before, after = beads.parse(source), beads.parse(written)
    assert [d["id"] for d, e in zip(before, after, strict=True) if not same(d, e)] == []


@pytest.mark.parametrize("name", ["mesos.csv.xz", "springxd.csv.xz", "titanium.csv.xz", "usergrid.csv"])
def test_real_jira_exports_survive(name: str) -> None:
    source = shared_text(f"tix-jira-storypoints/{name}")
    records = read_text("jira", source)
    assert len(records) > 400
    assert all(r["story_points"] > 0 for r in records)
    written = write_text("jira", records)
    assert read_text("jira", written) == records
    assert jira.parse(written) == jira.parse(source)


# ── any record through any format ────────────────────────────────────────────────────────────────────────────────

line = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=15).map(
    lambda s: " ".join(s.split())
)
named = line.filter(bool)
body = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\r\x00"), max_size=60).map(
    lambda s: s.rstrip().lstrip("\n")
)
name = st.from_regex(r"[a-z][a-z0-9:-]{0,6}", fullmatch=True)
stamp = st.datetimes().filter(lambda d: d.year >= 1970).map(lambda d: d.isoformat(timespec="milliseconds") + "Z")
ids = st.sampled_from(["a1b2", "bd-4k3", "TASK-1.2", "gh-12", "gh-7", "P-9"])
entry_ids = st.uuids().map(lambda u: "e" + u.hex[:7])


def some(**fields: Any) -> Any:
    return st.fixed_dictionaries({}, optional=fields).map(
        lambda d: {k: v for k, v in d.items() if v not in ("", [], None)}
    )


comment = st.builds(
    lambda i, t, rest: {"id": i, "text": t, **rest}, entry_ids, body.filter(bool), some(author=line, created_at=stamp)
)
journal = st.builds(
    lambda i, t, k, rest: {"id": i, "content": t, "type": k, **rest},
    entry_ids,
    body.filter(bool),
    st.sampled_from(JOURNAL_TYPES),
    some(author=line, completion_percentage=st.integers(0, 100)),
)
requirement = st.builds(
    lambda i, t, rest: {"id": i, "title": t, **rest},
    entry_ids,
    named,
    some(
        description=body,
        status=st.sampled_from(["approved", "verified"]),
        acceptance_criteria=st.lists(named, max_size=2),
    ),
)
records = st.builds(
    lambda head, rest: {**head, **rest},
    st.fixed_dictionaries(
        {
            "id": ids,
            "title": named,
            "status": st.sampled_from(TICKET_STATUSES),
            "priority": st.sampled_from(PRIORITIES),
            "type": name,
        }
    ),
    some(
        description=body,
        assignee=line,
        reporter=line,
        labels=st.lists(name, max_size=3, unique=True).map(sorted),
        created_at=stamp,
        updated_at=stamp,
        closed_at=stamp,
        due_date=st.dates().map(str),
        story_points=st.floats(0, 100, width=16),
        estimated_hours=st.integers(1, 4000).map(lambda m: m / 4),
        parent_ticket_id=ids,
        blocked_by=st.lists(ids, max_size=2, unique=True).map(sorted),
        related_to=st.lists(ids, max_size=2, unique=True).map(sorted),
        discovered_from=st.lists(ids, max_size=2, unique=True).map(sorted),
        comments=st.lists(comment, max_size=2, unique_by=lambda c: c["id"]),
        journal_entries=st.lists(journal, max_size=2, unique_by=lambda c: c["id"]),
        requirements=st.lists(requirement, max_size=2, unique_by=lambda c: c["id"]),
        branch=line,
    ),
)


def without_origin(record: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in record.items() if k != EXTENSION}


@pytest.mark.parametrize("format_", ["beads", "github", "jira"])
@given(st.lists(records, max_size=3, unique_by=lambda r: r["id"]))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_what_only_we_can_say_goes_along_and_comes_back(format_: str, many: list[dict[str, Any]]) -> None:
    back = read_text(format_, write_text(format_, many))
    assert [without_origin(r) for r in back] == many
    assert read_text(format_, write_text(format_, back)) == back


@given(st.lists(records, max_size=3, unique_by=lambda r: r["id"]))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_a_backlog_folder_carries_any_record(many: list[dict[str, Any]]) -> None:
    files = dict(map(backlog_md.write_file, many))
    assert len(files) == len(many)
    back = backlog_md.read_files(files)
    wanted = sorted(many, key=lambda r: next(n for n, t in files.items() if t.startswith(f"---\nid: {r['id']}\n")))
    assert [without_origin(r) for r in back] == wanted
    assert dict(map(backlog_md.write_file, back)) == files


json_value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), line),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)
foreign = st.dictionaries(
    st.sampled_from(
        [
            "title",
            "description",
            "status",
            "priority",
            "labels",
            "assignee",
            "created_at",
            "closed_at",
            "notes",
            "design",
            "xyz",
            "estimated_minutes",
        ]
    ),
    json_value,
)


@given(foreign, st.lists(st.tuples(st.sampled_from(["blocks", "tracks", "parent-child", "related"]), ids), max_size=4))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_any_foreign_document_comes_back_as_it_was(fields: dict[str, Any], edges: list[tuple[str, str]]) -> None:
    edges_raw = [{"issue_id": "x", "depends_on_id": t, "type": k, "created_at": "2026"} for k, t in edges]
    document = {"id": "x", **fields, "dependencies": edges_raw}
    assert same(release(beads.LENS, absorb(beads.LENS, document)), document)


# ── changes in between ───────────────────────────────────────────────────────────────────────────────────────────

BEAD = {
    "id": "bd-1",
    "title": "  One ",
    "status": "hooked",
    "priority": 4,
    "issue_type": "task",
    "created_at": "2025-11-02T21:58:07.295058-08:00",
    "updated_at": "2025-11-03T20:56:22.700641-08:00",
    "external_ref": "gh-9",
    "dependencies": [
        {"issue_id": "bd-1", "depends_on_id": "bd-2", "type": "blocks", "created_at": "2025-11-02T22:00:00-08:00"},
        {"issue_id": "bd-1", "depends_on_id": "bd-3", "type": "tracks", "created_at": "2025-11-02T22:00:00-08:00"},
        {"issue_id": "bd-1", "depends_on_id": "bd-4", "type": "blocks", "created_at": "2025-11-02T22:00:01-08:00"},
    ],
}


def test_a_changed_ticket_is_written_with_its_change_and_all_else_as_it_was() -> None:
    record = absorb(beads.LENS, BEAD)
    assert (record["status"], record["priority"], record["blocked_by"]) == ("in-progress", "low", ["bd-2", "bd-4"])
    changed = {**record, "status": "closed", "closed_at": "2026-01-01T00:00:00.000Z", "blocked_by": ["bd-4", "bd-5"]}
    document = release(beads.LENS, changed)
    assert document["status"] == "closed"
    assert document["priority"] == 4
    assert document["created_at"] == BEAD["created_at"]
    assert document["external_ref"] == "gh-9"
    edges = {d["depends_on_id"]: d for d in document["dependencies"]}
    assert sorted(edges) == ["bd-3", "bd-4", "bd-5"]
    assert edges["bd-4"] == BEAD["dependencies"][2]
    assert edges["bd-3"] == BEAD["dependencies"][1]
    raised = release(beads.LENS, {**record, "priority": "critical"})
    assert (raised["priority"], raised["status"]) == (0, "hooked")


def test_a_document_that_was_changed_elsewhere_wins_over_what_it_carries() -> None:
    document = release(
        beads.LENS, {"id": "x", "title": "One", "status": "cancelled", "priority": "low", "type": "task"}
    )
    assert document["status"] == "closed"
    assert document[OWN] == {"status": "cancelled"}
    assert absorb(beads.LENS, document)["status"] == "cancelled"
    assert absorb(beads.LENS, {**document, "status": "in_progress"})["status"] == "in-progress"


# ── GitHub ───────────────────────────────────────────────────────────────────────────────────────────────────────

REST = {
    "url": "https://api.github.com/repos/o/r/issues/5",
    "id": 99,
    "number": 5,
    "title": "Crash",
    "user": {"login": "mia", "id": 1},
    "labels": [{"id": 1, "name": "bug", "color": "f00"}, {"id": 2, "name": "P1", "color": "0f0"}],
    "state": "closed",
    "state_reason": "not_planned",
    "assignee": {"login": "bo"},
    "assignees": [{"login": "bo", "id": 3}, {"login": "cy", "id": 4}],
    "comments": 2,
    "created_at": "2025-01-01T00:00:00Z",
    "updated_at": "2025-01-03T00:00:00Z",
    "closed_at": "2025-01-02T00:00:00Z",
    "body": "It crashes.\r\n\r\nBlocked by #4\r\nPart of #2",
    "reactions": {"total_count": 0},
}
GH = {
    "number": 6,
    "title": "Slow",
    "body": "",
    "state": "OPEN",
    "stateReason": "",
    "author": {"login": "mia", "is_bot": False},
    "assignees": [],
    "labels": [],
    "createdAt": "2025-01-01T00:00:00Z",
    "updatedAt": "2025-01-03T00:00:00Z",
    "closedAt": None,
    "comments": [{"author": {"login": "bo"}, "body": "Same here", "createdAt": "2025-01-02T00:00:00Z", "id": "IC_1"}],
}


def test_github_issues_of_both_dialects() -> None:
    source = json.dumps([REST, GH])
    first, second = read_text("github", source)
    assert first["id"] == "gh-5"
    assert (first["status"], first["priority"], first["type"]) == ("cancelled", "high", "bug")
    assert (first["blocked_by"], first["parent_ticket_id"], first["assignee"]) == (["gh-4"], "gh-2", "bo")
    assert first["description"] == "It crashes."
    assert second["comments"] == [{"text": "Same here", "author": "bo", "created_at": "2025-01-02T00:00:00.000Z"}]
    written = write_text("github", [first, second])
    assert same(json.loads(written), [REST, GH])
    assert read_text("github", written) == [first, second]


def test_a_changed_github_ticket() -> None:
    first = read_text("github", json.dumps([REST]))[0]
    changed = json.loads(
        write_text("github", [{**first, "status": "open", "priority": "low", "blocked_by": ["gh-8", "k2x"]}])
    )
    assert changed[0]["state"] == "open"
    assert [label["name"] for label in changed[0]["labels"]] == ["bug", "priority: low"]
    assert changed[0]["body"] == "It crashes.\n\nBlocked by #8\nBlocked by k2x\nPart of #2"
    assert changed[0]["reactions"] == {"total_count": 0}


# ── Jira ─────────────────────────────────────────────────────────────────────────────────────────────────────────

JIRA = (
    "Issue key,Summary,Issue Type,Status,Priority,Assignee,Created,Labels,Labels,Comment,Comment,Sprint,"
    "Custom field (Story Points),Inward issue link (Blocks),Original Estimate\n"
    'P-1,"Say ""hi""",Bug,In Review,Blocker,mia,15/Jan/26 9:05 PM,db,api,"15/Jan/26 9:10 PM;bo;one;two",,S1,3.0,P-2,'
    "7200\n"
    "P-2,Two,Story,Done,Medium,,2026-01-01 10:00,,,,,,,,\n"
)


def test_a_jira_export_with_repeated_columns() -> None:
    first, second = read_text("jira", JIRA)
    assert (first["title"], first["status"], first["priority"], first["type"]) == (
        'Say "hi"',
        "in-progress",
        "critical",
        "bug",
    )
    assert first["created_at"] == "2026-01-15T21:05:00.000Z"
    assert first["labels"] == ["api", "db"]
    assert first["comments"] == [{"text": "one;two", "author": "bo", "created_at": "2026-01-15T21:10:00.000Z"}]
    assert (first["story_points"], first["estimated_hours"], first["blocked_by"]) == (3.0, 2.0, ["P-2"])
    assert second["status"] == "closed"
    written = write_text("jira", [first, second])
    assert read_text("jira", written) == [first, second]
    changed = jira.parse(write_text("jira", [{**first, "status": "closed"}, second]))[0]
    assert changed["Status"] == ["Done"]
    assert changed["Priority"] == ["Blocker"]
    assert changed["Sprint"] == ["S1"]
    assert changed["Labels"] == ["db", "api"]


# ── Backlog.md ───────────────────────────────────────────────────────────────────────────────────────────────────

TASK = """---
id: TASK-1
title: 'First: thing'
status: In Progress
assignee:
  - '@mia'
  - '@bo'
created_date: '2026-11-20 09:04'
labels:
  - db
  - api
milestone: m-1
dependencies:
  - TASK-2
priority: high
ordinal: 1000
---

## Description

<!-- SECTION:DESCRIPTION:BEGIN -->
Describe
this
<!-- SECTION:DESCRIPTION:END -->

## Acceptance Criteria
<!-- AC:BEGIN -->
- [x] #1 It works
- [ ] #2 It is fast
<!-- AC:END -->

## Implementation Notes

<!-- SECTION:NOTES:BEGIN -->
noted
<!-- SECTION:NOTES:END -->

## Comments

<!-- COMMENTS:BEGIN -->
created: 2026-11-20 09:04
---
hello
---
<!-- COMMENTS:END -->
"""


def test_a_backlog_task_comes_back_byte_for_byte() -> None:
    files = {"task-1 - First-thing.md": TASK, "task-3 - old.md": "---\nid: task-3\ntitle: Old\n---\nJust text.\r\n"}
    first, old = backlog_md.read_files(files)
    assert (first["status"], first["assignee"], first["blocked_by"]) == ("in-progress", "mia", ["TASK-2"])
    assert [(r["title"], r["status"]) for r in first["requirements"]] == [
        ("It works", "verified"),
        ("It is fast", "approved"),
    ]
    assert first["journal_entries"][0]["content"] == "noted"
    assert first["comments"][0]["text"] == "hello"
    assert old["description"] == "Just text."
    assert dict(map(backlog_md.write_file, [first, old])) == files


def test_a_changed_backlog_task_keeps_what_we_do_not_know() -> None:
    record = backlog_md.read_files({"task-1 - First-thing.md": TASK})[0]
    path, text = backlog_md.write_file({**record, "status": "closed"})
    assert path == "task-1 - First-thing.md"
    assert "status: Done" in text
    assert "milestone: m-1" in text
    assert "'@bo'" in text
    assert "- [x] #1 It works" in text
    assert backlog_md.read_files({path: text})[0]["status"] == "closed"


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("format_", "source", "says"),
    [
        ("beads", '{"id":"a","title":"x"}\nnot json', "line 2"),
        ("beads", '{"title":"x"}', "line 1"),
        ("github", "{", "not JSON"),
        ("github", "[1]", "no list of issues"),
        ("jira", "a,b\n1,2", "no issue key"),
        ("jira", "Issue key,Summary\n1", "line 2"),
        ("jira", "Issue key,Summary,fairlead\nA-1,x,{", "line 2"),
        ("markdown", "# x", "cannot be imported"),
    ],
)
def test_a_broken_file_is_refused_by_line(format_: str, source: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        read_text(format_, source)


def test_a_broken_backlog_file_is_named() -> None:
    bomb = "---\nid: x\ntitle: t\na: &a [l, l]\nb: &b [*a, *a]\n---\n"
    for text in ("no front matter", "---\nid: [\n---\n", "---\ntitle: x\n---\n", bomb):
        with pytest.raises(InvalidInputError, match="task-7"):
            backlog_md.parse_file("task-7.md", text)


def test_the_format_follows_from_the_name() -> None:
    assert format_for("x/issues.jsonl") == "beads"
    assert format_for("tasks", folder=True) == "backlog-md"
    with pytest.raises(InvalidInputError, match="--from"):
        format_for("notes.txt")


def test_carriage_returns_and_offsets_are_told_apart_from_changes() -> None:
    document = {"id": "a", "title": "x", "description": "a\r\nb\n", "created_at": "2026-01-01T10:00:00+02:00"}
    record = absorb(beads.LENS, document)
    assert record["description"] == "a\nb"
    assert record["created_at"] == "2026-01-01T08:00:00.000Z"
    assert release(beads.LENS, record) == document


BEADS_KEYS = (
    "title description status priority issue_type assignee created_by labels created_at closed_at close_reason due_at "
    "estimated_minutes comments dependencies notes design acceptance_criteria"
)
GITHUB_KEYS = (
    "number id title body state state_reason labels assignees user created_at closed_at comments createdAt author"
)
odd = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 2**70), st.floats(allow_nan=False, allow_infinity=False), line),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["id", "name", "login", "text", "body", "type", "depends_on_id"]), inner, max_size=2
        ),
    ),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("lens", "keys"), [(beads.LENS, BEADS_KEYS), (github.LENS, GITHUB_KEYS)], ids=["beads", "github"]
)
@given(data=st.data())
@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_stands_in_a_foreign_field_is_kept_and_breaks_nothing(lens: Any, keys: str, data: Any) -> None:
    document = data.draw(st.dictionaries(st.sampled_from(keys.split()), odd, max_size=6)) | {"id": "x"}
    lens = github.lens_of(document) if lens is github.LENS else lens
    record = absorb(lens, document)
    assert same(release(lens, record), document)
    assert isinstance(record["id"], str) and record.get("status", "open") in TICKET_STATUSES
