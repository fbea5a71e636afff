"""The graph: what is stated comes back, expansion is capped and decays, exports are read by others."""

from __future__ import annotations

import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.memory import Memory
from fairlead.memory.graph import FAN_OUT, Graph, entity_name, themes, to_cypher, to_dot, to_graphml
from fairlead.store.memory_graph import EntityRow, RelationRow
from fairlead.tenancy import make_tenant, use_tenant

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.usefixtures("tenant")
async def test_two_hops_with_decay(memory: Memory) -> None:
    await memory.relate("Anna", "knows", "Bob")
    await memory.relate("Bob", "works at", "Chandlery")
    await memory.relate("Chandlery", "sells", "Rope")
    reached, graph = await memory.graph.around("  ANNA ", depth=2)
    assert [(r.entity.label, r.nearness, r.hops) for r in reached] == [
        ("Anna", 1.0, 0),
        ("Bob", 0.5, 1),
        ("Chandlery", 0.25, 2),
    ]
    assert len(graph.relations) == 2
    with pytest.raises(NotFoundError):
        await memory.graph.around("Zed")
    with pytest.raises(InvalidInputError):
        await memory.relate("Anna", "knows", "  ")


@pytest.mark.usefixtures("tenant")
async def test_fan_out_is_capped_and_the_strongest_edges_win(memory: Memory) -> None:
    for n in range(40):
        await memory.relate("Hub", "to", f"Spoke {n}", weight=n + 1)
    reached, _ = await memory.graph.around("Hub", depth=1)
    labels = [r.entity.label for r in reached]
    assert len(labels) == FAN_OUT + 1
    assert labels[1] == "Spoke 39"
    assert "Spoke 0" not in labels


@pytest.mark.usefixtures("tenant")
async def test_recall_reaches_what_is_related(memory: Memory) -> None:
    await memory.remember("The tall one fixes diesel engines.", entities=["Bob"])
    await memory.remember("Anna leads the crew.", entities=["Anna"])
    await memory.relate("Anna", "married to", "Bob")
    hits = {h.entry.content: h.why for h in await memory.recall("Anna")}
    assert hits["Anna leads the crew."]["graph"] == 1
    assert hits["The tall one fixes diesel engines."]["graph"] == 0.5


async def test_graphs_of_tenants_are_apart(memory: Memory) -> None:
    with use_tenant(make_tenant("one")):
        await memory.relate("Anna", "knows", "Bob")
    with use_tenant(make_tenant("two")):
        with pytest.raises(NotFoundError):
            await memory.graph.around("Anna")
        assert not (await memory.graph.whole()).entities


def _graph() -> Graph:
    labels = ["A", 'B "quoted" <&>\x00', "C", "D", "E", "lone"]
    entities = {n: EntityRow(n, entity_name(label), label, "entity") for n, label in enumerate(labels)}
    edges = [(0, 1), (1, 2), (0, 2), (3, 4)]
    return Graph(entities, [RelationRow(a, b, "k", 1.0, None) for a, b in edges])


def test_themes_are_the_connected_groups() -> None:
    assert [[e.id for e in group] for group in themes(_graph())] == [[0, 1, 2], [3, 4]]


def test_graphml_is_well_formed_and_complete() -> None:
    root = ElementTree.fromstring(to_graphml(_graph()))
    space = {"g": "http://graphml.graphdrawing.org/xmlns"}
    assert len(root.findall(".//g:node", space)) == 6
    assert len(root.findall(".//g:edge", space)) == 4
    assert root.find(".//g:node[@id='n1']/g:data[@key='label']", space).text == 'B "quoted" <&>'  # type: ignore[union-attr]


def test_dot_is_accepted_by_graphviz() -> None:
    if shutil.which("dot") is None:
        pytest.skip("graphviz is not installed")
    done = subprocess.run(["dot", "-Tplain"], input=to_dot(_graph()), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_cypher_quotes_what_would_break_out() -> None:
    lines = to_cypher(_graph()).splitlines()
    assert len(lines) == 10
    assert r"\"quoted\"" in lines[1]


@pytest.mark.usefixtures("tenant")
async def test_what_is_called_by_a_name_of_several_words_is_found_by_it(memory: Memory) -> None:
    """Every other entry has the plain words of the question more often."""
    for n in range(40):
        await memory.remember(f"A statement of a statement, number {n}, states the statement.")
    await memory.remember("It wraps a block.", entities=["with statement"])
    (best,) = await memory.recall("What does the with statement do?", k=1)
    assert best.entry.content == "It wraps a block."
    assert best.why["named"] == 1
    for n in range(20):
        await memory.remember(f"Anna Smith did number {n}.", entities=["Anna Smith"])
    assert all("named" not in hit.why for hit in await memory.recall("What did Anna Smith do?"))
    await memory.remember("It is alone.", entities=["statement"])
    assert all("named" not in hit.why for hit in await memory.recall("What is a statement?"))
