"""Real workflow graphs: instances in WfFormat (Coleman et al., "WfCommons", FGCS 128, 2022) as workflows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.runtime import Edge, Node, Workflow


class Instance(NamedTuple):
    """A recorded execution: its graph and how long each task took, in seconds."""

    name: str
    parents: dict[str, list[str]]
    runtimes: dict[str, float]

    def critical_path(self) -> float:
        """Seconds of the longest chain of dependent tasks: the least makespan with unbounded concurrency."""
        ends: dict[str, float] = {}
        pending = list(self.parents)
        while pending:
            for task in [t for t in pending if all(p in ends for p in self.parents[t])]:
                ends[task] = max((ends[p] for p in self.parents[task]), default=0.0) + self.runtimes[task]
                pending.remove(task)
        return max(ends.values())

    def workflow(self, make: Callable[[str, float], Any]) -> Workflow:
        """A workflow whose step of each task is ``make(task, seconds)``."""
        nodes = (
            Node(task, make(task, self.runtimes[task]), depends_on=tuple(Edge(p) for p in parents))
            for task, parents in self.parents.items()
        )
        return Workflow(self.name, tuple(nodes))


def load_instance(path: Path) -> Instance:
    """Reads a WfFormat 1.5 file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    workflow = document["workflow"]
    parents = {task["id"]: list(task["parents"]) for task in workflow["specification"]["tasks"]}
    runtimes = {task["id"]: float(task["runtimeInSeconds"]) for task in workflow["execution"]["tasks"]}
    return Instance(path.stem, parents, runtimes)
