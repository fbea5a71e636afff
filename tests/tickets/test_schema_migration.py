"""Models made from the field table, and old files brought up to date and back."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from fairlead.tickets import files, migration, schema
from fairlead.tickets.fields import FIELDS
from fairlead.tickets.state import defaults
from tests.tickets.boards import open_board

OLD_TICKET = """\
id: PUMP-1
title: Pump runs dry
description: |
  Seen twice.
status: in-progress
priority: high
assignee: ann
reporter: bob
reporter_email: bob@example.org
labels: [db, hull, db]
created_at: 2025-11-01T10:00:00
updated_at: 2025-11-02T10:00:00
estimated_hours: 2.5
blocked_by: [VALVE-1]
customer: ACME
comments:
  - {id: c1, author: ann, content: "Looks worn.", created_at: 2025-11-01T11:00:00}
requirements:
  - {id: r1, title: must hold, status: verified}
"""
OLD_EPIC = "id: HAUL-1\ntitle: Haul\nstatus: active\ngoals: [be fast, be safe]\ncreated_at: 2025-10-01T00:00:00\n"
BROKEN = "id: [1\n"


@pytest.fixture
def old_board(tmp_path: Path) -> Path:
    for name, text in (
        ("open/PUMP-1.yaml", OLD_TICKET),
        ("closed/VALVE-1.yaml", "id: VALVE-1\ntitle: Valve\nstatus: closed\n"),
        ("epics/HAUL-1.yaml", OLD_EPIC),
        ("backlog/IDEA-1.yaml", "id: IDEA-1\ntitle: Idea\nitem_type: feature\nbusiness_value: 70\n"),
        ("open/BAD-1.yaml", BROKEN),
    ):
        path = tmp_path / "repo" / ".tickets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "repo"


def snapshot(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_old_files_are_migrated_with_dry_run_backup_and_way_back(old_board: Path) -> None:
    service = open_board(old_board)
    before = snapshot(old_board / ".tickets")
    dry = migration.migrate(service.board, dry_run=True)
    assert "PUMP-1.md" in dry["files"]
    assert snapshot(old_board / ".tickets") == before
    done = migration.migrate(service.board)
    assert [line.partition(":")[0] for line in done["failed"]] == ["open/BAD-1.yaml"]
    pump = service.get("PUMP-1")
    assert (pump.title, pump.status, pump.priority, pump.labels) == (
        "Pump runs dry",
        "in-progress",
        "high",
        ("db", "hull"),
    )
    assert (pump.created_at, pump.blocked_by, dict(pump.extras)) == (
        "2025-11-01T10:00:00.000Z",
        ("VALVE-1",),
        {"customer": "ACME"},
    )
    assert [c.text for c in pump.comments] == ["Looks worn."]
    assert [r.status for r in pump.requirements] == ["verified"]
    assert [g.text for g in service.get("HAUL-1").goals] == ["be fast", "be safe"]
    assert (service.get("IDEA-1").type, service.get("IDEA-1").business_value) == ("feature", 70)
    assert not (old_board / ".tickets" / "open" / "PUMP-1.yaml").exists()
    assert migration.migrate(service.board)["files"] == []
    migration.take_back(service.board, done["backup"])
    assert snapshot(old_board / ".tickets") == before
    service.close()


def test_a_step_between_formats_edits_only_what_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "repo"
    folder.mkdir()
    service = open_board(folder, make=True)
    ticket = service.create("ticket", {"title": "one"})
    path = folder / ".tickets" / f"{ticket.id}.md"
    old = path.read_text().replace("version: 1", "version: 0").replace("type: task", "sort: bug")
    path.write_text(old)
    monkeypatch.setitem(migration.STEPS, 0, lambda document: {"type": document.fields["sort"]})
    done = migration.migrate(service.board)
    assert done["files"] == [f"{ticket.id}.md"]
    assert service.get(ticket.id).type == "bug"
    migration.take_back(service.board, done["backup"])
    assert path.read_text() == old
    service.close()


def test_models_accept_every_record_and_refuse_what_cannot_be(tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    folder.mkdir()
    service = open_board(folder, make=True)
    epic = service.create("epic", {"title": "E"})
    service.add_entry(epic.id, "goal", text="be quick")
    ticket = service.create(
        "ticket", {"title": "one", "epic_id": epic.id, "due_date": "2026-12-24"}, add={"labels": ["x"]}
    )
    service.add_entry(ticket.id, "comment", text="hello")
    service.add_entry(ticket.id, "story", persona="crew", goal="sail", benefit="home")
    for thing in service.everything():
        found = schema.validate(thing)
        kind = {"Ticket": "ticket", "Epic": "epic", "BacklogItem": "backlog"}[type(thing).__name__]
        jsonschema.validate(found.model_dump(mode="json"), schema.json_schema()[kind])
    for bad in ({"status": "opne"}, {"priority": "P1"}, {"title": ""}, {"nonsense": 1}, {"id": "../x"}, {"version": 2}):
        with pytest.raises(ValidationError):
            schema.Ticket.model_validate({"id": "a", "title": "t", **bad})
    service.close()


@pytest.mark.parametrize("kind", FIELDS)
def test_every_kind_of_file_round_trips_and_holds_its_fields_in_order(kind: str) -> None:
    names = [f.name for f in FIELDS[kind]]
    rows = [(name, f"value of {name}") for name in names]
    document = files.parse(files.render(rows, "body\n\nof it"), "x.md")
    assert document.problems == []
    assert list(document.fields.items()) == rows
    assert document.body == "body\n\nof it"
    assert set(defaults(kind)) >= set(names)
