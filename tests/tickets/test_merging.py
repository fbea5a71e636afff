"""Clones, branches and real git: what two people do to a board comes together without a conflict left."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from fairlead.tickets import driver
from fairlead.tickets.doctor import examine, mend
from fairlead.tickets.service import TicketService
from tests.tickets.boards import git, open_board, repository


def clones(tmp_path: Path, many: int = 3) -> list[Path]:
    origin = repository(tmp_path / "origin")
    found = []
    for n in range(many):
        git(tmp_path, "clone", "-q", str(origin), f"clone{n}")
        found.append(tmp_path / f"clone{n}")
    return found


def commit(folder: Path, message: str = "work") -> None:
    git(folder, "add", "-A", ".tickets")
    git(folder, "commit", "-qm", message, "--allow-empty")


def test_different_fields_entries_labels_and_links_merge_in_an_unconfigured_clone(tmp_path: Path) -> None:
    left, right, _ = clones(tmp_path)
    service = open_board(left)
    first = service.create("ticket", {"title": "Pump runs dry"}, add={"labels": ["hull"]})
    other = service.create("ticket", {"title": "Valve sticks"})
    service.close()
    commit(left)
    git(right, "pull", "-q", str(left), "HEAD")

    mine, theirs = open_board(left, "left"), open_board(right, "right")
    mine.update(
        first.id, {"title": "Pump runs dry at sea", "status": "in-progress", "assignee": "ann"}, add={"labels": ["db"]}
    )
    theirs.update(
        first.id,
        {"priority": "critical", "description": "Seen twice."},
        add={"labels": ["api"], "blocked_by": [other.id]},
    )
    theirs.update(first.id, remove={"labels": ["hull"]})
    mine.add_entry(first.id, "comment", text="left says")
    theirs.add_entry(first.id, "comment", text="right says")
    mine.create("ticket", {"title": "new on the left"})
    theirs.create("ticket", {"title": "new on the right"})
    commit(left)
    commit(right)
    git(left, "pull", "-q", "--no-rebase", "--no-edit", str(right), "HEAD")

    merged = mine.get(first.id)
    assert (merged.title, merged.status, merged.assignee) == ("Pump runs dry at sea", "in-progress", "ann")
    assert (merged.priority, merged.description, merged.blocked_by) == ("critical", "Seen twice.", (other.id,))
    assert merged.labels == ("api", "db")
    assert {c.text for c in merged.comments} == {"left says", "right says"}
    assert {row["title"] for row in mine.rows()} == {
        "Pump runs dry at sea",
        "Valve sticks",
        "new on the left",
        "new on the right",
    }
    assert {c.by for c in mine.history(first.id)} == {"tester", "left", "right"}
    assert examine(mine.board) == []
    mine.close()
    theirs.close()


@pytest.mark.parametrize("how", ["rebase", "cherry-pick"])
def test_rebase_and_cherry_pick_merge_as_well(tmp_path: Path, how: str) -> None:
    left, right, _ = clones(tmp_path)
    service = open_board(left)
    ticket = service.create("ticket", {"title": "one"})
    commit(left)
    git(right, "pull", "-q", str(left), "HEAD")
    theirs = open_board(right)
    for label in ("a", "b", "c"):
        theirs.update(ticket.id, {"assignee": label}, add={"labels": [label]})
        theirs.add_entry(ticket.id, "comment", text=label)
        commit(right)
    service.update(ticket.id, {"priority": "low", "status": "blocked"}, add={"labels": ["z"]})
    service.add_entry(ticket.id, "comment", text="z")
    commit(left)
    if how == "rebase":
        git(right, "pull", "-q", "--rebase", str(left), "HEAD")
        found = theirs.get(ticket.id)
        assert (found.assignee, len(found.comments)) == ("c", 4)
    else:
        git(right, "fetch", "-q", str(left), "HEAD")
        git(right, "cherry-pick", "FETCH_HEAD")
        found = theirs.get(ticket.id)
        assert found.labels == ("a", "b", "c", "z")
    assert (found.priority, found.status) == ("low", "blocked")
    service.close()
    theirs.close()


def test_both_sides_change_one_field_without_a_driver(tmp_path: Path) -> None:
    left, right, _ = clones(tmp_path)
    mine = open_board(left, "left")
    ticket = mine.create("ticket", {"title": "one"})
    commit(left)
    git(right, "pull", "-q", str(left), "HEAD")
    theirs = open_board(right, "right")
    mine.update(ticket.id, {"status": "closed", "assignee": "ann"})
    theirs.update(ticket.id, {"status": "blocked", "priority": "high"})
    commit(left)
    commit(right)
    merge = git(left, "pull", "--no-rebase", "--no-edit", str(right), "HEAD", check=False)
    assert merge.returncode != 0

    # Loud, and still read: the field decided as the driver would, everything else merged.
    [row] = mine.rows()
    assert (row["status"], row["priority"], row["flawed"]) == ("closed", "high", 1)
    assert any("conflict markers" in line for line in examine(mine.board))
    mended = mend(mine.board, stage=True)
    assert mended == [f"{ticket.id}.md: settled (status is now 'closed')"]
    assert examine(mine.board) == []
    git(left, "commit", "-q", "--no-edit")
    assert mine.get(ticket.id).assignee == "ann"
    assert "<<<<" not in (left / ".tickets" / f"{ticket.id}.md").read_text()
    mine.close()
    theirs.close()


def test_the_driver_merges_what_both_sides_changed(tmp_path: Path) -> None:
    left, right, _ = clones(tmp_path)
    mine = open_board(left, "left")
    driver.set_up(mine.board.place)
    ticket = mine.create("ticket", {"title": "one", "description": "a\nb\nc"})
    story = mine.add_entry(ticket.id, "requirement", title="must")
    commit(left)
    git(right, "pull", "-q", str(left), "HEAD")
    theirs = open_board(right, "right")
    mine.update(ticket.id, {"status": "blocked", "assignee": "ann", "description": "a\nmine\nc", "estimated_hours": 9})
    theirs.update(
        ticket.id, {"status": "closed", "priority": "high", "description": "a\nyours\nc", "estimated_hours": 10}
    )
    mine.update_entry(ticket.id, story.id, status="approved")
    theirs.update_entry(ticket.id, story.id, status="verified", verified_by="bob")
    commit(left)
    commit(right)
    git(left, "pull", "-q", "--no-rebase", "--no-edit", str(right), "HEAD")
    found = mine.ticket(ticket.id)
    assert (found.status, found.assignee, found.priority, found.estimated_hours) == ("closed", "ann", "high", 10)
    assert found.description == "a\nmine\nyours\nc"
    [requirement] = found.requirements
    assert (requirement.status, requirement.verified_by) == ("verified", "bob")
    git(right, "pull", "-q", "--no-rebase", "--no-edit", str(left), "HEAD")
    assert theirs.ticket(ticket.id).revision == found.revision
    mine.close()
    theirs.close()


def test_two_tickets_that_got_one_identifier_are_parted(tmp_path: Path) -> None:
    left, right, _ = clones(tmp_path)
    services = [open_board(left, "left"), open_board(right, "right")]
    for service, title in zip(services, ("from the left", "from the right"), strict=True):
        service.create("ticket", {"title": title}, id="same1")
        commit(service.board.place.root)
    mine = services[0]
    merge = git(left, "pull", "--no-rebase", "--no-edit", str(right), "HEAD", check=False)
    assert merge.returncode != 0
    mend(mine.board, stage=True)
    git(left, "commit", "-q", "--no-edit")
    assert sorted(row["title"] for row in mine.rows()) == ["from the left", "from the right"]
    assert mine.ticket("same1").title == "from the left"
    assert examine(mine.board) == []
    for service in services:
        service.close()


class Life:
    """One clone's random operations, and what may not be lost of them."""

    def __init__(self, folder: Path, number: int, seed: int) -> None:
        self.folder = folder
        self.name = f"agent{number}"
        self.random = Random(seed * 100 + number)
        self.service: TicketService = open_board(folder, self.name, seed=seed * 1000 + number)
        self.comments: set[str] = set()
        self.created: list[str] = []

    def act(self) -> None:
        random, service = self.random, self.service
        ids = [row["id"] for row in service.rows(None)]
        if not ids or random.random() < 0.2:
            kind = random.choice(["ticket", "ticket", "epic", "backlog"])
            self.created.append(service.create(kind, {"title": f"{self.name} {random.random()}"}).id)
            return
        thing = random.choice(ids)
        kind = next(row["kind"] for row in service.rows(None, ids=[thing]))
        choices = [self.retitle, self.write, self.comment, self.label, self.unlabel, self.prioritise]
        if kind == "ticket":
            choices += [self.status, self.assign, self.link, self.require, self.delete]
        random.choice(choices)(thing)

    def retitle(self, thing: str) -> None:
        self.service.update(thing, {"title": f"title {self.random.randrange(4)}"})

    def write(self, thing: str) -> None:
        lines = self.service.get(thing).description.split("\n")
        lines.insert(self.random.randrange(len(lines) + 1), f"line {self.random.randrange(9)}")
        self.service.update(thing, {"description": "\n".join(lines).strip("\n")})

    def comment(self, thing: str) -> None:
        self.comments.add(self.service.add_entry(thing, "comment", text=f"said {self.random.random()}").id)

    def label(self, thing: str) -> None:
        self.service.update(thing, add={"labels": [self.random.choice("abcdef")]})

    def unlabel(self, thing: str) -> None:
        self.service.update(thing, remove={"labels": [self.random.choice("abcdef")]})

    def prioritise(self, thing: str) -> None:
        self.service.update(thing, {"priority": self.random.choice(["critical", "high", "low"])})

    def status(self, thing: str) -> None:
        self.service.update(
            thing, {"status": self.random.choice(["open", "in-progress", "blocked", "closed", "cancelled"])}
        )

    def assign(self, thing: str) -> None:
        self.service.update(thing, {"assignee": self.random.choice(["ann", "bob", None])})

    def link(self, thing: str) -> None:
        others = [row["id"] for row in self.service.rows("ticket") if row["id"] != thing]
        if others:
            self.service.apply([_operation(thing, self.random.choice(others))])

    def require(self, thing: str) -> None:
        entries = self.service.entries(thing, "requirement")
        if entries and self.random.random() < 0.6:
            entry = self.random.choice(entries)
            self.service.update_entry(
                thing, entry.id, status=self.random.choice(["approved", "implemented", "verified"])
            )
        else:
            self.service.add_entry(thing, "requirement", title="must hold", description="always")

    def delete(self, thing: str) -> None:
        if self.random.random() < 0.3:
            self.service.delete(thing)


def _operation(thing: str, other: str):  # type: ignore[no-untyped-def] # the port's Operation
    from fairlead.tickets.port import Operation

    return Operation("update", thing, add={"blocked_by": [other]})


def come_together(life: Life, other: Life) -> int:
    """Merges the other clone's work; without a driver what git leaves is settled by the doctor. Conflicts met."""
    merge = git(life.folder, "pull", "--no-rebase", "--no-edit", "-q", str(other.folder), "HEAD", check=False)
    if merge.returncode:
        mend(life.service.board, stage=True)
        left = git(life.folder, "diff", "--name-only", "--diff-filter=U").stdout
        assert left == "", f"{merge.stdout}{merge.stderr}"
        git(life.folder, "commit", "-q", "--no-edit")
        return 1
    return 0


@pytest.mark.parametrize("with_driver", [True, False], ids=["driver", "plain"])
@pytest.mark.parametrize("seed", range(2))
def test_three_clones_do_random_work_and_converge(tmp_path: Path, seed: int, with_driver: bool) -> None:
    lives = [Life(folder, n, seed) for n, folder in enumerate(clones(tmp_path))]
    if with_driver:
        for life in lives:
            driver.set_up(life.service.board.place)
    random = Random(seed)
    conflicts = 0
    for _ in range(4):
        for life in lives:
            for _ in range(random.randrange(2, 7)):
                life.act()
            commit(life.folder)
        random.shuffle(lives)
        conflicts += come_together(lives[0], lives[1])
    # Everybody takes everybody's work until nothing is new.
    for first, second in ((0, 1), (0, 2), (1, 0), (2, 0), (1, 2), (2, 1), (0, 1), (0, 2)):
        conflicts += come_together(lives[first], lives[second])
    if with_driver:
        assert conflicts == 0

    trees = {git(life.folder, "rev-parse", "HEAD:.tickets").stdout for life in lives}
    assert len(trees) == 1, "the clones do not agree"
    comments = set.union(*(life.comments for life in lives))
    created = [thing for life in lives for thing in life.created]
    assert len(set(created)) == len(created)
    for life in lives:
        service = life.service
        assert [line for line in examine(service.board) if "circle" not in line] == []
        found = {
            e.id
            for row in [*service.rows(None), *service.rows(None, deleted=True)]
            for e in service.entries_of(row["id"])
        }
        assert comments <= found
        assert {row["id"] for row in [*service.rows(None), *service.rows(None, deleted=True)]} == set(created)
        service.close()
