"""Ticket tools to compare with, each installed by the benchmark into a throw-away folder.

A peer knows how to install itself (or says why it cannot), how to make a board of n tickets in its own storage, and
the command line of each piece of work. Nothing is installed system-wide: Debian packages are unpacked, npm and PyPI
packages go to their own prefix. Every tool gets the same tickets, an own home and no network during the measurement.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

WORDS = re.findall(
    r"\w+",
    """index cache parser worker queue schema merge branch token socket buffer journal ledger retry timeout lock lease
    claim batch export import render layout theme button form table chart login session cookie header proxy router
    metric alert trace span budget price model prompt vector graph memory""",
)
RARE = "zephyrine"
"""A word that stands in one ticket of a hundred; the searches look for it."""


class Item(NamedTuple):
    title: str
    body: str
    priority: int
    label: str
    closed: bool
    blocked_by: int | None
    """Position of the ticket that blocks this one."""


def corpus(count: int, seed: int = 7) -> list[Item]:
    """The same tickets for every tool: 40 words of text, a fifth closed, a fifth blocked by an earlier one."""
    rng = random.Random(seed)
    items = []
    for n in range(count):
        body = " ".join(rng.choices(WORDS, k=40)) + (f" {RARE}" if n % 100 == 17 else "")
        blocker = rng.randrange(n) if n and rng.random() < 0.2 else None
        title = f"{' '.join(rng.choices(WORDS, k=5))} {n}"
        items.append(Item(title, body, rng.randrange(5), rng.choice(WORDS), rng.random() < 0.2, blocker))
    return items


def quiet(argv: list[str], folder: Path, env: dict[str, str], stdin: str | None = None) -> str:
    """Runs a command of the preparation; a failure shows what it printed."""
    done = subprocess.run(argv, cwd=folder, env=env, input=stdin or "", capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv[:4])} failed: {(done.stderr or done.stdout)[-400:]}")
    return done.stdout


class Peer:
    """One tool. ``prefix`` is its own folder; ``work`` maps a measured piece of work to its command line."""

    name = ""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix / self.name
        self.prefix.mkdir(parents=True, exist_ok=True)
        home = self.prefix / "home"
        home.mkdir(exist_ok=True)
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}
        self.env = {**keep, "HOME": str(home), "USER": "bench", "NO_COLOR": "1"}

    def install(self) -> None:
        raise NotImplementedError

    def seed(self, board: Path, items: list[Item]) -> None:
        raise NotImplementedError

    def work(self, board: Path) -> dict[str, list[str]]:
        raise NotImplementedError

    def create(self, title: str) -> list[str]:
        """The command that makes one ticket."""
        raise NotImplementedError

    def bulk(self, board: Path, items: list[Item]) -> list[str] | None:
        """One command that makes many tickets; None when the tool has none."""
        return None

    def count(self, board: Path) -> int:
        """How many tickets the tool itself finds, for the check that no writer was lost."""
        raise NotImplementedError

    def _git(self, board: Path) -> None:
        for argv in (["git", "init", "-q", "."], ["git", "config", "user.email", "b@example.org"]):
            quiet(argv, board, self.env)
        quiet(["git", "config", "user.name", "bench"], board, self.env)


class _Venv(Peer):
    package = ""
    minimum = (3, 11)

    def install(self) -> None:
        python = _python(self.minimum)
        quiet(
            ["uv", "venv", "-q", "--allow-existing", "-p", python, str(self.prefix / "venv")],
            self.prefix,
            dict(os.environ),
        )
        target = [
            "uv",
            "pip",
            "install",
            "-q",
            "--reinstall-package",
            self.name,
            "-p",
            str(self.prefix / "venv/bin/python"),
            self.package,
        ]
        quiet(target, self.prefix, dict(os.environ))

    def tool(self, name: str) -> str:
        return str(self.prefix / "venv/bin" / name)


class _Debian(Peer):
    packages: tuple[str, ...] = ()

    def install(self) -> None:
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            raise RuntimeError("apt-get and dpkg are needed to unpack the Debian package")
        quiet(["apt-get", "download", "-q", *self.packages], self.prefix, dict(os.environ))
        for package in self.prefix.glob("*.deb"):
            quiet(["dpkg", "-x", str(package), str(self.prefix / "root")], self.prefix, dict(os.environ))
        libraries = [str(p) for p in (self.prefix / "root").glob("**/lib/*-linux-gnu")]
        self.env["LD_LIBRARY_PATH"] = ":".join(libraries)

    def tool(self, name: str) -> str:
        return str(self.prefix / "root/usr/bin" / name)


class Fairlead(_Venv):
    """This project, installed from the working tree without its development tools."""

    name = "fairlead"
    package = str(Path(__file__).resolve().parent.parent)

    def seed(self, board: Path, items: list[Item]) -> None:
        self._git(board)
        quiet([self.tool("fairlead"), "ticket", "init"], board, self.env)
        quiet([*self.bulk(board, items), "--json"], board, self.env)

    def bulk(self, board: Path, items: list[Item]) -> list[str]:
        plan: list[dict[str, Any]] = []
        for n, item in enumerate(items):
            row: dict[str, Any] = {"id": f"$t{n}", "title": item.title, "description": item.body}
            row |= {
                "priority": f"P{item.priority}",
                "labels": [item.label],
                "status": "closed" if item.closed else "open",
            }
            if item.blocked_by is not None:
                row["blocked_by"] = [f"$t{item.blocked_by}"]
            plan.append(row)
        file = self.prefix / f"plan-{uuid.uuid4().hex[:8]}.json"
        file.write_text(json.dumps(plan), encoding="utf-8")
        return [self.tool("fairlead"), "batch", "create", str(file)]

    def work(self, board: Path) -> dict[str, list[str]]:
        tool = self.tool("fairlead")
        return {
            "list 100": [tool, "ticket", "list", "--limit", "100", "--json"],
            "search": [tool, "ticket", "search", RARE, "--json"],
            "ready": [tool, "ticket", "ready", "--json"],
        }

    def create(self, title: str) -> list[str]:
        return [self.tool("fairlead"), "ticket", "create", title]

    def count(self, board: Path) -> int:
        text = quiet([self.tool("fairlead"), "ticket", "stats", "--json"], board, self.env)
        return int(json.loads(text)["data"]["tickets"])


class Taskwarrior(_Debian):
    name = "taskwarrior"
    packages = ("taskwarrior",)

    def _tool(self) -> list[str]:
        return [
            self.tool("task"),
            f"rc:{self.prefix / 'taskrc'}",
            "rc.confirmation=off",
            "rc.hooks=off",
            "rc.verbose=nothing",
        ]

    def seed(self, board: Path, items: list[Item]) -> None:
        (self.prefix / "taskrc").write_text(f"data.location={board}\n", encoding="utf-8")
        quiet(self.bulk(board, items), board, self.env)

    def bulk(self, board: Path, items: list[Item]) -> list[str]:
        names = [
            str(uuid.UUID(int=random.Random(f"{board}{n}{len(items)}").getrandbits(128))) for n in range(len(items))
        ]
        rows = []
        for item, name in zip(items, names, strict=True):
            row: dict[str, Any] = {"uuid": name, "description": item.title, "priority": "HMLL"[min(item.priority, 3)]}
            row |= {
                "status": "completed" if item.closed else "pending",
                "tags": [item.label],
                "entry": "20260101T000000Z",
            }
            row["annotations"] = [{"entry": "20260101T000000Z", "description": item.body}]
            if item.closed:
                row["end"] = "20260102T000000Z"
            if item.blocked_by is not None:
                row["depends"] = [names[item.blocked_by]]
            rows.append(row)
        file = self.prefix / f"plan-{len(items)}.json"
        file.write_text(json.dumps(rows), encoding="utf-8")
        return [*self._tool(), "import", str(file)]

    def work(self, board: Path) -> dict[str, list[str]]:
        return {
            "list 100": [*self._tool(), "limit:100", "list"],
            "search": [*self._tool(), f"description.contains:{RARE}", "all"],
            "ready": [*self._tool(), "limit:10", "ready"],
        }

    def create(self, title: str) -> list[str]:
        return [*self._tool(), "add", title]

    def count(self, board: Path) -> int:
        return int(quiet([*self._tool(), "count"], board, self.env))


class Fossil(_Debian):
    """Tickets of Fossil. It has neither readiness nor a bulk command, so those cells stay empty."""

    name = "fossil"
    packages = ("fossil", "libfuse2")

    def seed(self, board: Path, items: list[Item]) -> None:
        quiet([self.tool("fossil"), "init", "board.fossil"], board, self.env)
        for item in items:
            quiet([*self.create(item.title), "icomment", item.body], board, self.env)

    def work(self, board: Path) -> dict[str, list[str]]:
        sql = [self.tool("fossil"), "sql", "-R", "board.fossil", "--readonly"]
        # `ticket show` has no limit and no text condition on comments; its SQL shell is what users are told to use.
        return {
            "list 100": [*sql, "select tkt_uuid, title, status from ticket limit 100"],
            "search": [*sql, f"select distinct tkt_id from ticketchng where icomment like '%{RARE}%'"],
        }

    def create(self, title: str) -> list[str]:
        return [self.tool("fossil"), "ticket", "add", "title", title, "status", "Open", "-R", "board.fossil", "-q"]

    def count(self, board: Path) -> int:
        query = ["sql", "-R", "board.fossil", "--readonly", "select count(*) from ticket"]
        return int(quiet([self.tool("fossil"), *query], board, self.env))


class BacklogMd(Peer):
    name = "backlog.md"
    _priorities = ("high", "high", "medium", "low", "low")

    def install(self) -> None:
        if shutil.which("npm") is None:
            raise RuntimeError("npm is not installed")
        argv = ["npm", "install", "--prefix", str(self.prefix), "--no-audit", "--no-fund", "--silent", "backlog.md"]
        quiet(argv, self.prefix, dict(os.environ))

    def _tool(self) -> str:
        return str(self.prefix / "node_modules/.bin/backlog")

    def seed(self, board: Path, items: list[Item]) -> None:
        self._git(board)
        quiet([self._tool(), "init", "bench", "--defaults", "--integration-mode", "none"], board, self.env)
        for n, item in enumerate(items, 1):
            depends = f"\n  - TASK-{item.blocked_by + 1}" if item.blocked_by is not None else " []"
            text = (
                f"---\nid: TASK-{n}\ntitle: {item.title}\nstatus: {'Done' if item.closed else 'To Do'}\nassignee: []\n"
                f"created_date: '2026-01-01 00:00'\nlabels:\n  - {item.label}\ndependencies:{depends}\n"
                f"priority: {self._priorities[item.priority]}\n---\n\n## Description\n\n"
                f"<!-- SECTION:DESCRIPTION:BEGIN -->\n{item.body}\n<!-- SECTION:DESCRIPTION:END -->\n"
            )
            name = f"task-{n} - {item.title.replace(' ', '-')}.md"
            (board / "backlog/tasks" / name).write_text(text, encoding="utf-8")

    def work(self, board: Path) -> dict[str, list[str]]:
        return {
            "list 100": [self._tool(), "task", "list", "--limit", "100", "--json"],
            "search": [self._tool(), "search", RARE, "--type", "task", "--json"],
            "ready": [self._tool(), "task", "list", "--ready", "--limit", "10", "--json"],
        }

    def create(self, title: str) -> list[str]:
        return [self._tool(), "task", "create", title, "--plain"]

    def count(self, board: Path) -> int:
        return sum(1 for _ in (board / "backlog/tasks").glob("task-*.md"))


class Lattice(_Venv):
    name = "lattice"
    package = "lattice-tracker"
    minimum = (3, 12)

    def seed(self, board: Path, items: list[Item]) -> None:
        self._git(board)
        answers = {
            "actor": "human:bench",
            "project-code": "LAT",
            "project-name": "x",
            "description": "d",
            "model": "none",
        }
        answers |= {"workflow": "classic", "instance-name": "i", "subproject-code": "F", "path": "."}
        argv = [word for key, value in answers.items() for word in (f"--{key}", value)]
        refused = ["--no-heartbeat", "--no-setup-claude", "--no-setup-agents", "--no-seed"]
        quiet([self.tool("lattice"), "init", *argv, *refused], board, self.env)
        quiet(self.create("pattern"), board, self.env)
        _copy_lattice(board / ".lattice", items)

    def work(self, board: Path) -> dict[str, list[str]]:
        tool = self.tool("lattice")
        return {"list 100": [tool, "list", "--json"], "ready": [tool, "next", "--json"]}

    def create(self, title: str) -> list[str]:
        return [self.tool("lattice"), "create", title, "--actor", "human:bench", "--quiet"]

    def count(self, board: Path) -> int:
        return sum(1 for _ in (board / ".lattice/tasks").glob("*.json"))


def _copy_lattice(root: Path, items: list[Item]) -> None:
    """Multiplies the one task that the tool made itself, in its own file shapes."""
    (first,) = (root / "tasks").glob("*.json")
    task = json.loads(first.read_text(encoding="utf-8"))
    event = json.loads((root / "events" / f"{task['id']}.jsonl").read_text(encoding="utf-8"))
    ids = json.loads((root / "ids.json").read_text(encoding="utf-8"))
    lines = []
    for n, item in enumerate(items, 2):
        name, short = f"{task['id'][:-6]}{n:06d}", f"LAT-F-{n}"
        status = "done" if item.closed else "backlog"
        priority = ("critical", "high", "medium", "low", "low")[item.priority]
        own = {**task, "id": name, "short_id": short, "title": item.title, "description": item.body, "status": status}
        own |= {"priority": priority, "tags": [item.label], "last_event_id": f"{event['id'][:-6]}{n:06d}"}
        (root / "tasks" / f"{name}.json").write_text(json.dumps(own, indent=2) + "\n", encoding="utf-8")
        data = {**event["data"], "title": item.title, "short_id": short, "priority": priority, "status": status}
        line = json.dumps({**event, "task_id": name, "id": own["last_event_id"], "data": data}) + "\n"
        (root / "events" / f"{name}.jsonl").write_text(line, encoding="utf-8")
        lines.append(line)
        ids["map"][short] = name
    ids["next_seqs"]["LAT-F"] = len(items) + 2
    (root / "ids.json").write_text(json.dumps(ids), encoding="utf-8")
    with (root / "events/_lifecycle.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(lines)


class Filigree(_Venv):
    name = "filigree"
    package = "filigree"

    def seed(self, board: Path, items: list[Item]) -> None:
        self._git(board)
        quiet([self.tool("filigree"), "init"], board, self.env)
        quiet(self.bulk(board, items), board, self.env)

    def bulk(self, board: Path, items: list[Item]) -> list[str]:
        salt = uuid.uuid4().hex[:4]
        names = [f"{board.name}-{salt}{n:06x}" for n in range(len(items))]
        stamp = "2026-01-01T00:00:00.000000+00:00"
        rows: list[dict[str, Any]] = []
        for item, name in zip(items, names, strict=True):
            row = {"id": name, "title": item.title, "status": "closed" if item.closed else "open", "type": "task"}
            rows.append(
                {
                    **_FILIGREE,
                    **row,
                    "priority": item.priority,
                    "description": item.body,
                    "created_at": stamp,
                    "updated_at": stamp,
                }
            )
        for item, name in zip(items, names, strict=True):
            if item.blocked_by is not None:
                edge = {
                    "issue_id": name,
                    "depends_on_id": names[item.blocked_by],
                    "type": "blocks",
                    "created_at": stamp,
                }
                rows.append({**edge, "_type": "dependency"})
        file = self.prefix / f"plan-{salt}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return [self.tool("filigree"), "import", str(file), "--merge"]

    def work(self, board: Path) -> dict[str, list[str]]:
        tool = self.tool("filigree")
        return {
            "list 100": [tool, "list", "--limit", "100", "--json"],
            "search": [tool, "search", RARE, "--json"],
            "ready": [tool, "ready", "--json"],
        }

    def create(self, title: str) -> list[str]:
        return [self.tool("filigree"), "create", title]

    def count(self, board: Path) -> int:
        file = self.prefix / "count.jsonl"
        quiet([self.tool("filigree"), "export", str(file)], board, self.env)
        return sum('"_type": "issue"' in line for line in file.read_text(encoding="utf-8").splitlines())


_FILIGREE: dict[str, Any] = {
    "parent_id": None,
    "assignee": "",
    "claimed_at": None,
    "last_heartbeat_at": None,
    "claim_expires_at": None,
    "closed_at": None,
    "notes": "",
    "fields": "{}",
    "claim_commit": None,
    "close_commit": None,
    "_type": "issue",
}

PEERS: dict[str, Callable[[Path], Peer]] = {
    kind.name: kind for kind in (Fairlead, Taskwarrior, Fossil, BacklogMd, Lattice, Filigree)
}


def _python(minimum: tuple[int, int]) -> str:
    """An interpreter that is new enough: this one, one on the path, or one beside this one; else uv looks."""
    if sys.version_info[:2] >= minimum:
        return sys.executable
    for minor in range(minimum[1], minimum[1] + 4):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return found
        for beside in sorted(Path(sys.base_prefix).parent.glob(f"*3.{minor}*/bin/python3")):
            return str(beside)
    return f">={minimum[0]}.{minimum[1]}"
