"""Many processes, killed processes, and files that people spoil."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fairlead.errors import ConflictError, InvalidInputError, RefusedError, SchemaNewerError, StoreFullError
from fairlead.tickets.claims import claim_next, claim_these
from fairlead.tickets.doctor import examine, mend
from fairlead.tickets.port import EntryDraft, Operation
from fairlead.tickets.service import TicketService
from tests.tickets.boards import git, open_board, repository

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


def in_children(many: int, work: Callable[[int], int]) -> list[int]:
    """Runs ``work`` in so many processes at once and returns what each answered (0 to 255)."""
    children = []
    for number in range(many):
        child = os.fork()
        if child == 0:
            code = 255
            try:
                code = work(number)
            except BaseException as exc:  # noqa: BLE001 - a child must not return into the test runner
                sys.stderr.write(f"child {number}: {exc!r}\n")
            finally:
                os._exit(code)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


# ── many processes ───────────────────────────────────────────────────────────────────────────────────────────────


def test_twenty_processes_claim_each_ticket_once(board: Path, tmp_path: Path) -> None:
    service = open_board(board)
    service.apply([Operation("create", values={"title": f"t{n}"}) for n in range(500)])
    service.close()

    def work(number: int) -> int:
        mine = open_board(board, f"agent{number}")
        taken = []
        for _ in range(100):
            found = claim_next(mine, f"agent{number}")
            if not found:
                break
            taken.append(found[0]["id"])
        (tmp_path / f"taken{number}").write_text("\n".join(taken))
        mine.close()
        return 0

    assert in_children(20, work) == [0] * 20
    taken = [line for n in range(20) for line in (tmp_path / f"taken{n}").read_text().split()]
    assert len(taken) == 500
    assert len(set(taken)) == 500


def test_of_eight_racers_for_one_ticket_one_wins(board: Path) -> None:
    service = open_board(board)
    for round_ in range(25):
        ticket = service.create("ticket", {"title": f"prize {round_}"}).id
        start = time.monotonic() + 0.02

        def race(number: int, ticket: str = ticket, start: float = start) -> int:
            mine = open_board(board)
            while time.monotonic() < start:
                pass
            try:
                claim_these(mine, [ticket], "one and the same name")
            except ConflictError:
                return 4
            return 0

        assert sorted(in_children(8, race)) == [0, *[4] * 7]
    service.close()


def test_no_update_of_twenty_writers_is_lost(board: Path) -> None:
    service = open_board(board)
    ticket = service.create("ticket", {"title": "busy"}).id

    def work(number: int) -> int:
        mine = open_board(board, f"w{number}")
        for n in range(10):
            mine.update(ticket, add={"labels": [f"l{number}-{n}"]})
            mine.add_entry(ticket, "comment", text=f"{number}-{n}")
            mine.create("ticket", {"title": f"from {number}"})
        mine.close()
        return 0

    assert in_children(20, work) == [0] * 20
    found = service.get(ticket)
    assert len(found.labels) == 200
    assert len({c.text for c in found.comments}) == 200
    assert service.count() == 201
    assert len({row["id"] for row in service.rows()}) == 201
    assert service.board.rebuild() == 201
    service.close()


def test_worktrees_see_claims_at_once_and_keep_their_content(board: Path) -> None:
    service = open_board(board)
    ticket = service.create("ticket", {"title": "shared"}).id
    git(board, "add", ".tickets")
    git(board, "commit", "-qm", "one")
    git(board, "worktree", "add", "-q", "../other", "-b", "other")
    other = open_board(board.parent / "other")
    claim_these(other, [ticket], "over there")
    with pytest.raises(ConflictError, match="over there"):
        claim_these(service, [ticket], "here")
    other.update(ticket, {"title": "changed there"})
    assert service.get(ticket).title == "shared"
    assert other.get(ticket).title == "changed there"
    service.close()
    other.close()


# ── killed processes ─────────────────────────────────────────────────────────────────────────────────────────────


def batch(tag: str, counter: str) -> list[Operation]:
    return [
        Operation("create", "$a", values={"title": tag}, add={"labels": [tag]}),
        Operation("create", values={"title": tag}, add={"labels": [tag], "blocked_by": ["$a"]}),
        Operation("update", counter, values={"title": tag}, add={"labels": [tag]}),
    ]


def is_whole(service: TicketService, tag: str, counter: str) -> bool:
    """Whether a batch is there; the test fails when half of it is."""
    parts = len(service.rows(label=[tag])), service.get(counter).title == tag, tag in service.get(counter).labels
    assert parts in [(3, True, True), (0, False, False)], parts
    return parts[0] == 3


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Runs ``work`` in a process that dies by SIGKILL before its ``step``-th call that changes the file system; False
    when it finished before."""

    def child(_: int) -> int:
        left = step
        opened = os.open

        def dying(call: Callable[..., object]) -> Callable[..., object]:
            def counted(*args: object, **given: object) -> object:
                nonlocal left
                reads = call is opened and not int(args[1]) & (os.O_WRONLY | os.O_RDWR)  # type: ignore[call-overload] # flags
                left -= not reads
                if left <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*args, **given)

            return counted

        for name in ("rename", "unlink", "open", "write", "mkdir"):
            setattr(os, name, dying(getattr(os, name)))
        work()
        return 0

    return in_children(1, child) == [-signal.SIGKILL]


def test_a_batch_killed_between_any_two_writes_is_whole_or_absent(board: Path) -> None:
    service = open_board(board)
    counter = service.create("ticket", {"title": "none"}).id
    seen = set()
    for step in range(1, 200):
        tag = f"r{step}"

        def work(tag: str = tag) -> None:
            open_board(board).apply(batch(tag, counter))

        died = killed_at(step, work)
        reader = open_board(board)
        there = is_whole(reader, tag, counter)
        reader.close()
        # The next writer finishes what was begun, and nothing changes for a reader.
        service.update(counter, {"assignee": tag})
        assert is_whole(service, tag, counter) == there
        seen.add(there)
        if not died:
            assert there
            break
    else:
        raise AssertionError("the batch never finished")
    assert seen == {True, False}
    # Every batch that is there has told its events, once.
    told = service.board.shared.events(types=["ticket.created"], limit=10_000)
    assert len({row[1] for row in told}) == len(told)
    assert {row[3] for row in told} == {row["id"] for row in service.rows()}
    mend(service.board)
    assert examine(service.board) == []
    service.close()


def test_two_hundred_kills_at_random_moments_leave_whole_batches(board: Path) -> None:
    service = open_board(board)
    counter = service.create("ticket", {"title": "none"}).id
    service.close()
    moments = random.Random(7)
    for round_ in range(200):
        child = os.fork()
        if child == 0:
            mine = open_board(board)
            for n in range(10_000):
                mine.apply(batch(f"k{round_}-{n}", counter))
            os._exit(0)
        time.sleep(moments.uniform(0.004, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    service = open_board(board)
    by_tag: dict[str, int] = {}
    for row in service.rows():
        for label in row["labels"]:
            by_tag[label] = by_tag.get(label, 0) + 1
    # Two created tickets and the label on the counter, for each batch that began.
    assert len(by_tag) > 5
    assert set(by_tag.values()) == {3}
    mend(service.board)
    assert examine(service.board) == []
    before = service.rows(sort="id")
    service.board.rebuild()
    assert service.rows(sort="id") == before
    service.close()


# ── spoilt files ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_errors_are_named_by_file_and_line_and_the_rest_works(board: Path) -> None:
    service = open_board(board)
    good = service.create("ticket", {"title": "good"}).id
    bad = [service.create("ticket", {"title": f"bad {n}"}).id for n in range(5)]
    folder = board / ".tickets"

    def spoil(thing: str, old: str, new: str) -> None:
        path = folder / f"{thing}.md"
        path.write_text(path.read_text().replace(old, new))

    spoil(bad[0], "status: open", "status: opne")
    spoil(bad[1], "priority: medium", "priority medium")
    spoil(bad[2], "---\nversion", "version")
    (folder / f"{bad[3]}.md").write_bytes(b"\xff\xfe\x00broken")
    spoil(bad[4], "title: bad 4", "title: bad 4\n\ntitle: twice")
    (folder / "not a ticket.md").write_text("x")
    (folder / good).mkdir(exist_ok=True)
    (folder / good / "stray.txt").write_text("x")
    found = examine(service.board)
    for wanted in (
        f"{bad[0]}.md:8: status is 'opne'",
        f"{bad[1]}.md:10: 'priority medium' is not",
        f"{bad[2]}.md:1: the first line must be",
        f"{bad[3]}.md:1: byte 0xff is not UTF-8",
        f"{bad[4]}.md:8: field 'title' stands here a second time",
        "not a ticket.md:1: not a name",
        f"{good}/stray.txt:1: a file of this name",
    ):
        assert any(line.startswith(wanted) for line in found), (wanted, found)
    assert service.update(good, {"title": "still good"}).title == "still good"
    assert service.count() == 6
    with pytest.raises(ConflictError):
        service.update(bad[2], {"title": "x"})
    service.close()


def test_crlf_bom_unknown_fields_comments_and_order_survive_a_change(board: Path) -> None:
    service = open_board(board)
    thing = service.create("ticket", {"title": "one", "description": "a\nb"}).id
    path = board / ".tickets" / f"{thing}.md"
    text = path.read_text().replace("status: open", "# a remark\nx_customer: ACME: 7\n\nstatus: open")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert examine(service.board) == []
    changed = service.update(thing, {"status": "blocked", "due_date": "2026-12-24"})
    assert (changed.status, changed.description, dict(changed.extras)) == ("blocked", "a\nb", {"x_customer": "ACME: 7"})
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf---\r\n")
    assert data.count(b"\n") == data.count(b"\r\n")
    assert data.decode("utf-8-sig").replace("\r\n", "\n") == text.replace("status: open", "status: blocked").replace(
        "due_date:", "due_date: 2026-12-24"
    )
    service.close()


def test_a_newer_format_is_read_and_not_written(board: Path) -> None:
    service = open_board(board)
    thing = service.create("ticket", {"title": "one"}).id
    path = board / ".tickets" / f"{thing}.md"
    path.write_text(path.read_text().replace("version: 1", "version: 9").replace("type: task", "colour: blue"))
    assert service.get(thing).title == "one"
    assert service.get(thing).version == 9
    with pytest.raises(SchemaNewerError) as caught:
        service.update(thing, {"title": "two"})
    assert caught.value.exit_code == 3
    service.close()


def test_symlinks_are_not_followed(board: Path, tmp_path: Path) -> None:
    service = open_board(board)
    thing = service.create("ticket", {"title": "one"}).id
    secret = tmp_path / "secret.md"
    secret.write_text("---\nversion: 1\n\ntitle: secret\n---\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (board / ".tickets" / "linked.md").symlink_to(secret)
    (board / ".tickets" / thing).symlink_to(outside)
    assert any("symbolic link" in line for line in examine(service.board))
    assert "secret" not in {row["title"] for row in service.rows()}
    with pytest.raises((RefusedError, StoreFullError, ConflictError)):
        service.add_entry(thing, "comment", text="must not leave the board")
    assert list(outside.iterdir()) == []
    service.close()


def test_what_an_editor_or_git_did_is_seen_by_the_next_reading(board: Path) -> None:
    service = open_board(board)
    thing = service.create("ticket", {"title": "one", "description": "walrus"}).id
    git(board, "add", ".tickets")
    git(board, "commit", "-qm", "one")
    path = board / ".tickets" / f"{thing}.md"
    path.write_text(path.read_text().replace("title: one", "title: two"))
    assert service.rows()[0]["title"] == "two"
    (board / ".tickets" / thing).mkdir(exist_ok=True)
    (board / ".tickets" / thing / "label.by%20hand").touch()
    assert service.rows()[0]["labels"] == ["by hand"]
    git(board, "checkout", "-q", "--", ".tickets")
    git(board, "clean", "-qfd", ".tickets")
    assert (service.rows()[0]["title"], service.rows()[0]["labels"]) == ("one", [])
    path.unlink()
    assert service.rows() == []
    assert service.search("walrus") == []
    told = [row[2] for row in service.board.shared.events()]
    assert told[0] == "ticket.created"
    service.close()


def test_a_clone_that_cannot_be_written_is_read(board: Path) -> None:
    service = open_board(board)
    thing = service.create("ticket", {"title": "one", "description": "walrus"}).id
    service.close()
    shared = board / ".git" / "fairlead"
    shared.rename(shared.with_name("moved away"))
    shared.write_text("a file where the folder should be: nothing can be made in it")
    again = open_board(board)
    assert [row["id"] for row in again.ready()] == [thing]
    assert [row["id"] for row in again.search("walrus")] == [thing]
    assert again.get(thing).title == "one"
    with pytest.raises(StoreFullError):
        again.update(thing, {"title": "two"})
    assert again.get(thing).title == "one"
    again.close()


def test_a_body_of_five_megabytes(board: Path) -> None:
    service = open_board(board)
    body = "\n".join(f"line {n} of a very long text" for n in range(180_000))
    thing = service.create("ticket", {"title": "long", "description": body})
    assert len(body) > 5_000_000
    assert service.update(thing.id, {"priority": "low"}).description == body
    assert [row["id"] for row in service.search("179999")] == [thing.id]
    service.close()


@pytest.mark.parametrize(
    "text",
    ["---\ntitle: x\n---", "<<<<<<< HEAD\nme\n=======\nyou\n>>>>>>> other", "\r\n\t\x00\u2028", " lead", "end\n\n"],
)
def test_odd_texts_come_back_as_they_were(board: Path, text: str) -> None:
    service = open_board(board)
    thing = service.create("ticket", {"title": "odd", "description": text})
    assert thing.description == text
    assert service.update(thing.id, {"priority": "low"}).description == text
    assert service.add_entry(thing.id, "comment", text=text + ".").text == text + "."  # type: ignore[union-attr] # a comment
    assert examine(service.board) == []
    service.close()


def test_an_index_that_was_deleted_or_damaged_is_built_again(board: Path) -> None:
    service = open_board(board)
    for n in range(5):
        service.create("ticket", {"title": f"t{n}"})
    rows = service.rows()
    path = Path(service.board.index.path)
    service.close()
    for spoil in (lambda: path.unlink(), lambda: path.write_bytes(b"not a database" * 100)):
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        spoil()
        again = open_board(board)
        assert again.rows() == rows
        again.close()


def test_a_write_that_the_system_refuses_half_way_leaves_nothing(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = open_board(board)
    counter = service.create("ticket", {"title": "none"}).id
    real = os.write
    for allowed in range(6):
        left = allowed

        def full(descriptor: int, data: bytes) -> int:
            nonlocal left
            left -= 1
            if left < 0 and len(data) > 20:
                raise OSError(28, "No space left on device")
            return real(descriptor, data)

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            try:
                service.apply(batch(f"full{allowed}", counter))
            except StoreFullError:
                assert not is_whole(service, f"full{allowed}", counter)
            else:
                assert is_whole(service, f"full{allowed}", counter)
    assert examine(service.board) == []
    service.close()


def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = open_board(board)
    counter = service.create("ticket", {"title": "none"}).id
    real = os.rename
    refused = 0
    for allowed in range(1, 9):
        left = allowed

        def failing(source: str, target: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(5, "Input/output error", source)
            real(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", failing)
            try:
                service.apply(batch(f"io{allowed}", counter))
            except StoreFullError:
                refused += 1
                assert not is_whole(service, f"io{allowed}", counter)
                assert examine(service.board) == []
                assert not [*(board / ".tickets").rglob(".*.new")]
            else:
                assert is_whole(service, f"io{allowed}", counter)
    assert refused >= 4
    service.close()


def test_a_disk_too_full_for_index_and_history_loses_no_ticket(board: Path) -> None:
    service = open_board(board)
    first = service.create("ticket", {"title": "before"}).id
    for part in (service.board.index, service.board.shared):
        # SQLite's own limit refuses a page more, with the error of a full disk.
        part.execute(f"PRAGMA max_page_count={part.rows('PRAGMA page_count')[0][0]}")
    result = service.apply(
        [Operation("create", values={"title": f"during {n}", "description": "word " * 4000}) for n in range(5)]
    )
    assert result.success
    service.update(first, {"description": "long " * 4000})
    # Whoever comes next finds everything, and hears of everything.
    again = open_board(board)
    assert again.count() == 6
    assert len(again.search("during")) == 5
    assert [row["id"] for row in again.search("long")] == [first]
    assert {row[3] for row in again.board.shared.events(types=["ticket.created"])} == {
        row["id"] for row in again.rows()
    }
    assert examine(again.board) == []
    service.close()
    again.close()


def test_no_identifier_leads_out_of_the_folder(board: Path) -> None:
    service = open_board(board)
    service.create("ticket", {"title": "two"}, id="two")
    only_things = ["x.md", "readme", "con", "a..b", "dot."]
    for name in ["../out", "a/b", "/etc/x", ".hidden", "-x", "ü", "x" * 65, "a\0b", *only_things]:
        with pytest.raises(InvalidInputError, match="cannot be used"):
            service.create("ticket", {"title": "one"}, id=name)
        draft = EntryDraft("comment", {"text": "x"}, name)
        result = service.apply([Operation("update", "two", entries=[draft])], atomic=False)
        # An entry's identifier stands within a file's name, so it may say more than a ticket's.
        assert result.success == (name in only_things), name
        service.update("two", add={"labels": [f"../{name}".replace("\0", "")[:60]]})
    inside = {path.parent for path in board.rglob("*") if path.is_file() and ".git" not in path.parts}
    assert inside == {board / ".tickets", board / ".tickets" / "two"}
    assert examine(service.board) == []
    service.close()


def test_an_entry_of_a_newer_format_keeps_its_ticket_from_being_written(board: Path) -> None:
    service = open_board(board)
    thing = service.create("ticket", {"title": "one"}).id
    service.add_entry(thing, "comment", text="from the future")
    [path] = (board / ".tickets" / thing).glob("*-comment-*.md")
    path.write_text(path.read_text().replace("version: 1", "version: 2"))
    assert service.get(thing).comments[0].text == "from the future"
    with pytest.raises(SchemaNewerError):
        service.update(thing, {"title": "two"})
    service.close()


def test_questions_of_a_great_board_go_through_its_indexes(board: Path) -> None:
    service = open_board(board)
    service.apply([Operation("create", values={"title": f"t{n}"}, add={"labels": [f"l{n}"]}) for n in range(20)])
    asked: list[tuple[str, list[object]]] = []
    plain = service.board.rows

    def noting(sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        asked.append((sql, list(parameters)))
        return plain(sql, parameters)

    service.board.rows = noting
    service.rows(limit=10)
    service.ready(limit=10)
    service.blocked(limit=10)
    service.resolve(service.rows(limit=1)[0]["id"][:4])
    plans = [
        (sql, step[3])
        for sql, parameters in asked
        for step in service.board.index.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)
    ]
    # Neither all things, nor all labels or links of the board, are gone through for one page of it.
    walked = [(sql, step) for sql, step in plans if step.startswith("SCAN") or step.endswith("(board=?)")]
    assert walked == []
    assert len(plans) > 6
    service.close()
