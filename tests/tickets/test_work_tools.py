"""What agents are given: the text of `prime` and eight small tools, both made from the table of verbs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fairlead.cli.main import main
from fairlead.cli.parse import parse
from fairlead.errors import FairleadError
from fairlead.server.arguments import checked, offered
from fairlead.tickets.prime import COMMANDS
from fairlead.verbs import load
from fairlead.verbs.context import Context
from fairlead.verbs.ticket_tools import MOST_BYTES, MOST_TOOLS, TOOLS, Chosen, choose, schema_of

VERBS = offered()
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIRLEAD_ACTOR", "mia")
    assert main(["ticket", "init"]) == 0
    capsys.readouterr()

    def made(name: str, **arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps(answered(name, arguments), default=str))
        return found

    return made


def answered(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a server answers to a call of the tool, with the kind of answer."""
    try:
        chosen = choose(name, arguments, VERBS)
        if not isinstance(chosen, Chosen):
            return {"kind": name, "data": chosen}
        verb = VERBS[chosen.verb]
        return {"kind": verb.name, "data": verb.invoke(Context(), checked(verb, chosen.arguments))}
    except FairleadError as exc:
        return {
            "kind": "error",
            "error": {"code": type(exc).__name__, "message": exc.message, "remedy": exc.remedy},
        }


@pytest.mark.parametrize("command", [command for command, _ in COMMANDS])
def test_every_command_that_prime_teaches_is_one(command: str) -> None:
    program, *words = shlex.split(command)
    assert program == "fairlead"
    if words[0] == "batch" and not load("batch"):
        pytest.fail("prime teaches `batch`, which is not registered")
    parsed = parse(words, read_stdin=lambda: "")
    assert parsed.verb is not None


def test_prime_says_what_the_board_holds(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    call("ticket_create", title="Pump runs dry", priority="P0")
    assert main(["ticket", "prime"]) == 0
    text = capsys.readouterr().out
    assert "You are mia. 1 open" in text
    assert "[critical] Pump runs dry" in text
    assert all(command in text for command, _ in COMMANDS)
    assert len(text) < 4000


def test_the_tools_are_few_and_small() -> None:
    tools = [{"name": t.name, "description": t.description, "inputSchema": schema_of(t, VERBS)} for t in TOOLS]
    assert len(tools) <= MOST_TOOLS == 8
    assert len(json.dumps(tools, ensure_ascii=False, separators=(",", ":")).encode()) <= MOST_BYTES
    for tool in tools:
        Draft202012Validator.check_schema(tool["inputSchema"])
        assert tool["description"].endswith(".")


def test_every_verb_of_the_room_can_be_reached(call: Call) -> None:
    verbs = call("ticket_verb")["data"]["verbs"]
    for noun in ("ticket", "epic", "backlog", "requirement", "time"):
        assert {name for name, verb in VERBS.items() if verb.noun == noun} <= verbs.keys()
    told = call("ticket_verb", verb="epic.create", help=True)["data"]
    assert told["arguments"]["required"] == ["title"]
    epic = call("ticket_verb", verb="epic.create", arguments={"title": "E", "goal": ["g"]})
    assert (epic["kind"], epic["data"]["title"]) == ("epic.create", "E")
    for name in ("ticket.init", "runs.list", "nonsense", "ticket.hooks"):
        assert call("ticket_verb", verb=name)["kind"] == "error"


def test_a_ticket_from_first_to_last_through_the_tools(call: Call) -> None:
    first = call("ticket_create", title="First", body="why", priority="high", label=["db"])["data"]["id"]
    second = call("ticket_create", title="Second", blocked_by=[first])["data"]["id"]
    assert [row["id"] for row in call("ticket_find", what="ready")["data"]["items"]] == [first]
    assert [row["id"] for row in call("ticket_find", what="blocked")["data"]["items"]] == [second]
    assert [row["id"] for row in call("ticket_find", what="search", words=["why"])["data"]["items"]] == [first]
    assert call("ticket_claim", what="claim", ids=[first], agent="dev-1")["kind"] == "ticket.claim"
    taken = call("ticket_claim", what="claim", ids=[first], agent="dev-2")
    assert taken["error"]["code"] == "ConflictError"
    assert call("ticket_claim", what="heartbeat", id=first, agent="dev-1")["kind"] == "ticket.heartbeat"
    call("ticket_note", what="comment", id=first, text="found it")
    call("ticket_note", what="journal", id=first, text="half", completion=50)
    call("ticket_note", what="requirement", id=first, title="It holds")
    shown = call("ticket_show", ids=[first])["data"]
    shown = shown.get("items", [shown])[0]
    assert [c["text"] for c in shown["comments"]] == ["found it"]
    assert call("ticket_update", ids=[first], priority="P0", append="more")["data"]["priority"] == "critical"
    assert call("ticket_close", ids=[first], comment="fixed")["data"]["newly_unblocked"] == [second]


def test_a_plan_is_given_in_the_call(call: Call) -> None:
    plan = [
        {"action": "create", "id": "$a", "title": "A"},
        {"action": "create", "id": "$b", "title": "B", "blocked_by": ["$a"]},
    ]
    answer = call("ticket_verb", verb="batch.run", arguments={"items": plan})
    assert len(answer["data"]["created_ids"]) == 2
    refused = call("ticket_verb", verb="batch.run", arguments={"items": [*plan, {"action": "close", "id": "nope"}]})
    assert (refused["data"]["success"], refused["data"]["rolled_back"]) == (False, True)
    assert len(call("ticket_find", what="list")["data"]["items"]) == 2


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("ticket_find", {"what": "nothing"}, "ready, list, blocked, search"),
        ("ticket_find", {"what": "list", "limitt": 3}, "no argument 'limitt'"),
        ("ticket_find", {"what": "list", "limit": "3"}, "must be of type int"),
        ("ticket_find", {"what": "list", "limit": True}, "must be of type int"),
        ("ticket_create", {}, "needs title"),
        ("ticket_create", {"title": "x", "body": "-"}, "standard input"),
        ("ticket_note", {"what": "comment", "id": "x"}, "needs 'text'"),
        ("ticket_show", {"ids": ["nope"]}, "no 'nope'"),
        ("ticket_fly", {}, "Tools: ticket_find"),
    ],
)
def test_a_refusal_is_an_answer_that_says_what_to_do(
    call: Call, name: str, arguments: dict[str, Any], says: str
) -> None:
    document = call(name, **arguments)
    assert document["kind"] == "error"
    assert says in f"{document['error']['message']} {document['error']['remedy']}"


def test_a_tool_offers_only_parameters_that_its_verbs_have() -> None:
    for tool in TOOLS:
        for name in tool.offers:
            owners = [v for v in tool.verbs.values() if any(p.name == name for p in _verb(v).params)]
            assert owners, f"{tool.name} offers {name}, which none of its verbs has"


def _verb(name: str) -> Any:
    noun, _, word = name.partition(".")
    return next(v for v in load(noun) if v.verb == word)
