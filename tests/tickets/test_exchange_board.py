"""Imports onto a real board, exports from it, and what happens when either is done again or something changed."""

from __future__ import annotations

import json
import lzma
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.cli.main import main
from fairlead.clock import SystemClock, isoformat
from fairlead.errors import ConflictError
from fairlead.store import open_database
from fairlead.tenancy import make_tenant
from fairlead.tickets.interchange import beads, read_text
from fairlead.tickets.interchange.carrying import export_records, export_text, import_records, read_path
from fairlead.tickets.interchange.kept import same
from fairlead.tickets.plan import Author
from fairlead.tickets.relational import RelationalBoard
from fairlead.tickets.service import TicketService
from tests.tickets.boards import open_board

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).parents[2].parent / "shared/data")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[TicketService]:
    folder = tmp_path / "board"
    folder.mkdir()
    made = open_board(folder, make=True, seed=1)
    yield made
    made.close()


COMMENT = {"id": 4, "text": "c", "author": "bo"}


def bead(own: str, **fields: Any) -> str:
    return json.dumps(
        {"id": own, "title": own.upper(), "status": "open", "priority": 2, "issue_type": "task", **fields}
    )


def edges(own: str, *targets: str, type: str = "blocks") -> list[dict[str, str]]:  # noqa: A002
    return [{"issue_id": own, "depends_on_id": target, "type": type} for target in targets]


def load(service: TicketService, source: str, **options: Any) -> dict[str, Any]:
    return import_records(service, read_text("beads", source), **options)


@pytest.mark.parametrize(
    ("name", "count"),
    [("beads_rust.jsonl.xz", 512), pytest.param("issues-2026-01-17.jsonl.xz", 2403, marks=pytest.mark.slow)],
)
def test_a_real_board_goes_through_files_without_loss(
    service: TicketService, tmp_path: Path, name: str, count: int
) -> None:
    path = DATA / "tix-beads" / name
    if not path.exists():
        pytest.skip(f"the shared data set {path.name} is not here (set FAIRLEAD_DATA)")
    source = lzma.decompress(path.read_bytes()).decode("utf-8")
    first = load(service, source)
    assert (first["created"], first["warnings"]) == (count, [])
    written = export_text(service, "beads", title="x")
    before = {d["id"]: d for d in beads.parse(source)}
    after = {d["id"]: d for d in beads.parse(written)}
    assert [k for k in before if not same(before[k], after.get(k))] == []
    again = load(service, written)
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, count)
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = open_board(other_folder, make=True, seed=2)
    try:
        import_records(other, read_text("beads", written))
        assert export_records(other) == export_records(service)
    finally:
        other.close()


def test_the_history_tells_when_it_really_happened(service: TicketService) -> None:
    load(
        service,
        bead(
            "a-1",
            status="closed",
            created_at="2025-01-01T00:00:00Z",
            updated_at="2025-01-03T00:00:00Z",
            closed_at="2025-01-02T00:00:00Z",
            close_reason="fixed",
        ),
    )
    ticket = service.get("a-1")
    assert (ticket.created_at, ticket.closed_at) == ("2025-01-01T00:00:00.000Z", "2025-01-02T00:00:00.000Z")
    assert service.history("a-1")[0].note == "fixed"
    (record,) = export_records(service)
    assert (record["updated_at"], record["close_reason"]) == ("2025-01-03T00:00:00.000Z", "fixed")
    service.add_entry("a-1", "comment", text="still broken")
    service.update("a-1", {"status": "open"})
    (record,) = export_records(service)
    assert record["updated_at"] > "2026"
    assert "closed_at" not in record and "close_reason" not in record


def test_edges_the_board_cannot_hold_are_kept_and_written_again(service: TicketService) -> None:
    source = "\n".join(
        [
            bead("a-1", dependencies=edges("a-1", "a-2")),
            bead("a-2", dependencies=edges("a-2", "a-3", "gone-1")),
            bead("a-3", dependencies=[*edges("a-3", "a-1"), *edges("a-3", "a-9", type="tracks")]),
        ]
    )
    answer = load(service, source)
    assert len(answer["warnings"]) == 1 and "a-3" in answer["warnings"][0]
    assert service.get("a-3").blocked_by == ()
    assert service.get("a-2").blocked_by == ("a-3", "gone-1")
    assert [row["id"] for row in service.ready()] == ["a-3"]
    written = beads.parse(export_text(service, "beads", title="x"))
    assert {d["id"]: len(d["dependencies"]) for d in written} == {"a-1": 1, "a-2": 2, "a-3": 2}
    assert load(service, beads.render(written))["unchanged"] == 3


def test_importing_again_brings_up_to_date_and_keeps_what_was_done_here(service: TicketService) -> None:
    load(service, bead("a-1", labels=["db"], description="old", assignee="mia"))
    service.add_entry("a-1", "comment", text="seen here")
    service.update("a-1", {"story_points": 3})
    answer = load(service, bead("a-1", labels=["db", "api"], description="new", assignee="mia", priority=0))
    assert (answer["created"], answer["updated"]) == (0, 1)
    ticket = service.get("a-1")
    assert (ticket.description, ticket.priority, ticket.labels, ticket.story_points) == (
        "new",
        "critical",
        ("api", "db"),
        3,
    )
    assert [c.text for c in ticket.comments] == ["seen here"]
    assert (
        load(service, bead("a-1", labels=["db", "api"], description="new", assignee="mia", priority=0))["unchanged"]
        == 1
    )


def test_identifiers_that_cannot_be_kept_get_new_ones_everywhere(service: TicketService) -> None:
    source = "\n".join([bead("a/1"), bead("a-2", dependencies=edges("a-2", "a/1"))])
    answer = load(service, source)
    new = answer["renamed"]["a/1"]
    assert service.get("a-2").blocked_by == (new,)


def test_a_dry_run_writes_nothing_and_a_refused_import_neither(service: TicketService) -> None:
    assert load(service, bead("a-1"), dry_run=True)["created"] == 1
    assert service.count("ticket") == 0
    service.create("epic", {"title": "E"}, id="a-2")
    with pytest.raises(ConflictError, match=r"a-2.*Nothing was imported"):
        load(service, "\n".join([bead("a-1"), bead("a-2")]))
    assert service.count("ticket") == 0


def test_a_backlog_folder_and_back(service: TicketService, tmp_path: Path) -> None:
    tasks = tmp_path / "project/backlog/tasks"
    tasks.mkdir(parents=True)
    front = "id: task-1\ntitle: One\nstatus: To Do\nassignee: []\ncreated_date: '2026-01-01 10:00'\nlabels: []\n"
    text = f"---\n{front}dependencies: []\n---\n\n## Description\n\nText\n"
    (tasks / "task-1 - One.md").write_text(text, encoding="utf-8")
    format_, records = read_path(tmp_path / "project", None)
    assert (format_, len(records)) == ("backlog-md", 1)
    import_records(service, records)
    from fairlead.tickets.interchange.carrying import export_folder

    out = tmp_path / "out"
    assert export_folder(service, out) == 1
    assert (out / "task-1 - One.md").read_text(encoding="utf-8") == text


def test_a_kept_path_does_not_lead_out_of_the_folder(service: TicketService, tmp_path: Path) -> None:
    from fairlead.tickets.interchange.carrying import export_folder

    for n, path in enumerate(["/tmp/out-of-it.md", "../../out-of-it.md", "../completed/x.md"]):
        foreign = json.dumps({"backlog-md": {"kept": {"path": path}}})
        service.create("ticket", {"title": f"t{n}", "extras": {"foreign": foreign}})
    service.create("ticket", {"title": "spoilt", "extras": {"foreign": "{not json"}})
    before = {*tmp_path.rglob("*.md")}
    out = tmp_path / "out"
    assert export_folder(service, out) == 4
    assert {p for p in tmp_path.rglob("*.md") if out not in p.parents} == before
    assert not Path("/tmp/out-of-it.md").exists()


def test_the_report_escapes_and_stands_alone(service: TicketService) -> None:
    service.create(
        "ticket",
        {"title": "<script>alert(1)</script>", "description": "a & b", "assignee": '"><img>'},
        add={"labels": ["<b>"]},
    )
    blocker = service.create("ticket", {"title": "first"})
    service.create("ticket", {"title": "second"}, add={"blocked_by": [blocker.id]})
    html = export_text(service, "html", title="A & B")
    assert "<script>alert" not in html and "<img>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "src=" not in html and "http" not in html.replace("http-equiv", "")
    assert "What others wait for" in html
    assert export_text(service, "markdown", title="T").startswith("# T\n\n3 tickets: 3 open.")


def test_between_files_and_the_relational_store(service: TicketService, tmp_path: Path) -> None:
    load(
        service,
        "\n".join(
            [
                bead("a-1", status="closed", created_at="2025-01-01T00:00:00Z", closed_at="2025-01-02T00:00:00Z"),
                bead(
                    "a-2", dependencies=edges("a-2", "a-1"), notes="n", labels=["x"], comments=[{"id": 4, "text": "c"}]
                ),
            ]
        ),
    )
    service.create("ticket", {"title": "own", "extras": {"colour": "red"}}, id="own-1", add={"related_to": ["a-1"]})
    service.add_entry("own-1", "requirement", title="It holds", acceptance_criteria=("one", "two"))
    database = open_database(tmp_path / "server.db")
    clock = SystemClock()
    try:
        server = TicketService(
            RelationalBoard(database, make_tenant("acme")),
            clock=clock,
            entropy=os.urandom,
            author=lambda: Author("server", isoformat(clock.now())),
        )
        records = export_records(service)
        assert import_records(server, records)["created"] == 3
        assert export_records(server) == records
        assert import_records(server, records)["unchanged"] == 3
        server.update("a-2", {"status": "closed"}, note="done there")
        assert import_records(service, export_records(server))["updated"] == 1
        assert service.get("a-2").status == "closed"
    finally:
        database.close()


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, value in (("XDG_STATE_HOME", "state"), ("HOME", "home"), ("FAIRLEAD_HOME", "lead")):
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("FAIRLEAD_ACTOR", "mia")
    assert main(["ticket", "init"]) == 0
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    return document.get("data", document.get("error"))


def test_import_and_export_as_commands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "issues.jsonl").write_text(bead("a-1") + "\n" + bead("a-2", status="closed") + "\n", encoding="utf-8")
    answer = said(capsys, "ticket", "import", "issues.jsonl")
    assert (answer["format"], answer["created"]) == ("beads", 2)
    assert said(capsys, "ticket", "export", "out/board.html")["tickets"] == 2
    assert (here / "out/board.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert said(capsys, "ticket", "export", "--to", "jira", "--open-only")["text"].count("\n") == 2
    assert said(capsys, "ticket", "export", "x.csv")["format"] == "jira"
    assert said(capsys, "ticket", "import", "nothing.jsonl", code=1)["code"] == "NotFoundError"
    capsys.readouterr()
    assert main(["ticket", "export"]) == 0
    assert [json.loads(row)["id"] for row in capsys.readouterr().out.splitlines()] == ["a-1", "a-2"]


notes = st.fixed_dictionaries({"text": st.text(max_size=9), "author": st.sampled_from(["mia", ""])})
targets = st.sampled_from(["a-1", "a-2", "a-3", "z-9", "bad/id"])
kinds = st.sampled_from(["blocks", "tracks", "parent-child", "related"])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a-1", "a-2", "a-3"]),
            st.fixed_dictionaries(
                {},
                optional={
                    "status": st.sampled_from(["open", "closed", "hooked", "deferred", "odd", 3]),
                    "priority": st.one_of(st.integers(-1, 6), st.none()),
                    "labels": st.lists(st.sampled_from(["db", "a b", "x/y", ".", "ü", " pad "]), max_size=3),
                    "description": st.text(max_size=30),
                    "notes": st.text(max_size=20),
                    "acceptance_criteria": st.text(max_size=20),
                    "assignee": st.sampled_from(["mia", " bo ", ""]),
                    "created_at": st.sampled_from(
                        ["2025-01-01T00:00:00Z", "2025-06-01T10:00:00.123456789+02:00", "odd"]
                    ),
                    "updated_at": st.sampled_from(["2025-01-02T00:00:00Z", "2024-01-01T00:00:00Z"]),
                    "closed_at": st.sampled_from(["2025-01-03T00:00:00Z", "2023-01-01T00:00:00Z", None]),
                    "close_reason": st.text(max_size=20),
                    "estimated_minutes": st.sampled_from([0, 1, 50, 90, 2.5]),
                    "comments": st.lists(
                        st.fixed_dictionaries({"text": st.text(max_size=9), "author": st.sampled_from(["mia", ""])}),
                        max_size=3,
                    ),
                    "dependencies": st.lists(
                        st.tuples(
                            st.sampled_from(["a-1", "a-2", "a-3", "z-9", "bad/id"]),
                            st.sampled_from(["blocks", "tracks", "parent-child", "related"]),
                        ),
                        max_size=3,
                    ),
                },
            ),
        ),
        max_size=3,
        unique_by=lambda pair: pair[0],
    )
)
@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_board_survives_being_files(tmp_path: Path, rows: list[tuple[str, dict[str, Any]]]) -> None:
    source = []
    for own, fields in rows:
        links = [e for target, kind in fields.get("dependencies", []) for e in edges(own, target, type=kind)]
        source.append({"id": own, "title": own, **fields})
        if "dependencies" in fields:
            source[-1]["dependencies"] = links
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    made = open_board(folder, make=True)
    try:
        text = beads.render(source)
        load(made, text)
        written = {d["id"]: d for d in beads.parse(export_text(made, "beads", title="x"))}
        for document in source:
            assert same(document, written[document["id"]])
        assert load(made, text)["updated"] == 0
    finally:
        made.close()
