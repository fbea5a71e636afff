"""The command line as people and programs use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.cli.parse import UsageError, parse
from fairlead.verbs import NOUNS, every_verb, load
from fairlead.verbs.table import ROLES

Cli = Callable[..., tuple[int, str, str]]

DOCUMENTS = {
    "bridge.md": "# The harbour bridge\n\nThe harbour bridge was opened in 1932. It carries eight lanes of traffic. "
    "Engineers inspect the steel arch of the bridge every two years. "
    "The bridge was painted grey because grey paint was plentiful.\n",
    "ferry.txt": "The ferry crosses the harbour in twelve minutes. The ferry company runs four boats. "
    "Passengers prefer the ferry because the bridge is often crowded.\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "docs"
    source.mkdir()
    for name, text in DOCUMENTS.items():
        (source / name).write_text(text)
    return source


def data(out: str) -> Any:
    document = json.loads(out)
    assert document["schema_version"] == 1
    return document["data"]


def test_the_whole_first_light(cli: Cli, folder: Path, tmp_path: Path) -> None:
    code, out, err = cli("run", "content-brief", "--input", str(folder), "--output", str(tmp_path / "brief"))
    assert code == 0, err
    assert "Try next" in out
    for name in ("brief.md", "brief.json", "brief.html"):
        assert (tmp_path / "brief" / name).stat().st_size > 500
    run = data(cli("runs", "list", "--json")[1])["items"][0]
    assert (run["name"], run["state"]) == ("content-brief", "completed")
    assert "completed" in cli("runs", "show", run["id"][-8:])[1]
    trace = data(cli("trace", "--json")[1])
    assert {span["key"]: span["status"] for span in trace["spans"]} == dict.fromkeys(
        ["discover", "parse", "analyse", "remember", "brief", "write"], "success"
    )
    assert "waterfall" in cli("trace", "latest")[1]
    code, out, _ = cli("ask", "When was the harbour bridge opened?", "--json")
    answer = data(out)
    assert code == 0
    assert "1932" in answer["statements"][0]["text"]
    assert answer["statements"][0]["source"].endswith("bridge.md")
    code, out, _ = cli("ask", "What is the capital of the planet Mars?")
    assert code == 1
    assert out.startswith("No answer")
    lines = cli("events", "--limit", "1000", "--json")[1].splitlines()
    indexes = [json.loads(line)["data"]["index"] for line in lines]
    assert indexes == sorted(set(indexes))
    lines = cli("runs", "watch", "latest", "--json")[1].splitlines()
    assert json.loads(lines[-1])["data"]["type"] == "run.completed"


def test_every_verb_has_help_and_a_schema(cli: Cli) -> None:
    assert cli("--help")[0] == 0
    for noun in NOUNS:
        assert cli(noun)[0] == 0
    names = set()
    for verb in every_verb():
        code, out, _ = cli(*verb.words.split(), "--help")
        assert code == 0
        assert verb.summary in out
        assert verb.schema()["type"] == "object"
        assert verb.role in ROLES
        assert verb.name not in names
        names.add(verb.name)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rums"], "Did you mean `runs`?"),
        (["runs", "paus", "x"], "Did you mean `runs pause`?"),
        (["runs", "list", "--stat", "running"], "Did you mean `--state`?"),
        (["runs", "list", "--state", "runing"], "Did you mean `running`?"),
        (["runs", "list", "--limit", "few"], "must be of type int"),
        (["runs", "list", "--limit"], "needs a value"),
        (["runs", "pause"], "needs RUN"),
        (["runs", "show", "a", "b"], "does not take 'b'"),
        (["run", "nothing-like-it"], "no workflow or agent"),
        (["run", "content-brief", "--input", "/no/such/place"], "no file or folder"),
        (["run", "content-brief", "--set", "novalue"], "NAME=VALUE"),
        (["run", "content-brief", "--set", "nope=1"], "no input 'nope'"),
        (["events", "--type", "run.complete"], "Did you mean `run.completed`?".replace("`", "'")),
    ],
)
def test_mistakes_name_the_remedy(cli: Cli, words: list[str], told: str) -> None:
    code, out, err = cli(*words)
    assert code in (1, 2)
    assert told in err
    assert out == ""
    code, out, err = cli(*words, "--json") if words[-1] != "--limit" else (2, "", "")
    if out:
        assert json.loads(out)["kind"] == "error"
        assert err == ""


def test_reading_before_anything_ran(cli: Cli) -> None:
    code, _, err = cli("runs", "list")
    assert code == 3
    assert "Run something first" in err
    assert cli("doctor")[0] == 0


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["runs", "list", "--json", "--state", "--", "-", "--limit=5", "pause", "run", "-h", "--no-json"]
            ),
            st.text(max_size=8),
        ),
        max_size=6,
    )
)
def test_any_words_parse_or_are_refused(words: list[str]) -> None:
    try:
        parsed = parse(words, read_stdin=lambda: "")
    except UsageError as exc:
        assert exc.exit_code == 2
        assert str(exc)
    else:
        assert parsed.verb is None or parsed.verb in load(parsed.verb.noun)


def test_workflow_files(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(
        "name: two\nsteps:\n  - {id: a, agent: content.discover, with: {paths: []}}\n"
        "  - {id: b, agent: nobody, depends_on: [{step: a, on: done}]}\n"
    )
    report = data(cli("workflow", "validate", str(path), "--json")[1])
    assert report["agents_to_register"] == ["nobody"]
    for to, start in (("mermaid", "flowchart TD"), ("dot", "digraph"), ("text", "two")):
        assert cli("workflow", "draw", str(path), "--to", to)[1].startswith(start)
    code, _, err = cli("run", str(path))
    assert code == 2
    assert "no agent 'nobody'" in err
    for text, told in (
        ("name: x\nsteps: [", "line 2"),
        ("name: x\nname: y\nsteps: []", "given twice"),
        ("name: x\nsteps: [{id: a, agent: b, retries: 3}]", "steps.0.retries"),
        ("name: x\nsteps: [{id: a, agent: b, depends_on: [c]}]", "'c', which does not exist"),
        ("name: x\nsteps: [{id: a, agent: b, depends_on: [b]}, {id: b, agent: b, depends_on: [a]}]", "a -> b -> a"),
        ("name: X Y\nsteps: [{id: a, agent: b}]", "name is 'X Y'"),
        ("- just\n- a list", "not a mapping"),
    ):
        path.write_text(text)
        code, _, err = cli("workflow", "validate", str(path))
        assert code == 2, text
        assert told in err, text
    assert cli("workflow", "validate", "feature_development")[0] == 0


def test_shipped_workflows_are_sound(cli: Cli) -> None:
    names = [item["name"] for item in data(cli("workflow", "list", "--json")[1])["items"]]
    assert names == ["bug_fix", "content-brief", "feature_development", "release"]
    for name in names:
        assert cli("workflow", "validate", name)[0] == 0
        assert cli("workflow", "show", name)[0] == 0


def start(*words: str, home: Path) -> subprocess.Popen[str]:
    environ = {**os.environ, "FAIRLEAD_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "fairlead", *words],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    limit = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < limit
        time.sleep(0.01)
    return value


def many(folder: Path, count: int = 60) -> Path:
    folder.mkdir(exist_ok=True)
    for n in range(count):
        (folder / f"{n}.txt").write_text(
            f"Report number {n}. " + "The quick harbour ferry carries many people over the water. " * 40
        )
    return folder


def test_a_run_killed_with_9_goes_on_with_the_next_command(cli: Cli, tmp_path: Path) -> None:
    home = tmp_path / "home"
    source = many(tmp_path / "many")
    process = start("run", "content-brief", "--input", str(source), home=home)

    def steps() -> int:
        code, out, _ = cli("runs", "show", "latest", "--json")
        return int(data(out)["steps"].get("success", 0)) if code == 0 else 0

    wait_for(lambda: steps() >= 5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    listed = data(cli("runs", "list", "--json")[1])["items"][0]
    assert (listed["state"], listed["carried_out"]) == ("running", False)
    before = steps()
    code, out, err = cli("runs", "resume", "latest", "--json")
    assert code == 0, err
    assert data(out)["state"] == "completed"
    assert steps() >= before
    started: dict[str, int] = {}
    for line in cli("events", "--after", "0", "--type", "step.started", "--limit", "10000", "--json")[1].splitlines():
        step = json.loads(line)["data"]["data"]["step"]
        started[step] = started.get(step, 0) + 1
    assert max(started.values()) <= 2


def test_ctrl_c_lets_go_in_an_orderly_way(cli: Cli, tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = start("run", "content-brief", "--input", str(many(tmp_path / "many")), home=home)
    wait_for(lambda: cli("runs", "show", "latest")[0] == 0 and "success" in cli("runs", "show", "latest")[1])
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "fairlead runs resume" in out
    assert data(cli("runs", "show", "latest", "--json")[1])["state"] == "running"
    assert cli("runs", "resume", "latest")[0] == 0


def test_control_from_a_second_terminal(cli: Cli, tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = start("run", "content-brief", "--input", str(many(tmp_path / "many", 150)), home=home)
    wait_for(lambda: cli("runs", "show", "latest")[0] == 0)
    code, out, err = cli("runs", "pause", "latest")
    assert code == 0, err
    assert "is paused" in out
    assert data(cli("runs", "show", "latest", "--json")[1])["state"] == "paused"
    assert cli("runs", "steer", "latest", "ferry")[0] == 0
    code, _, err = cli("runs", "command", "latest", "ls")
    assert code == 1
    assert "allow-list" in err
    assert cli("runs", "resume", "latest")[0] == 0
    assert cli("runs", "terminate", "latest")[0] == 0
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert data(cli("runs", "show", "latest", "--json")[1])["state"] == "terminated"
    code, _, err = cli("runs", "pause", "latest")
    assert code == 1
    assert "has ended" in err


def test_other_tenants_see_nothing(cli: Cli, folder: Path) -> None:
    assert cli("run", "content-brief", "--input", str(folder))[0] == 0
    run = data(cli("runs", "list", "--json")[1])["items"][0]["id"]
    assert data(cli("runs", "list", "--json", "--tenant", "rival")[1])["items"] == []
    assert cli("runs", "show", run, "--tenant", "rival")[0] == 1
    assert cli("trace", run, "--tenant", "rival")[0] == 1
    assert cli("events", "--json", "--tenant", "rival")[1] == ""
    assert cli("ask", "When was the bridge opened?", "--tenant", "rival")[0] == 1
    assert cli("runs", "list", "--tenant", "Bad:Name")[0] == 2


OWN_AGENTS = """
import fairlead

@fairlead.agent("surveyor", capabilities=["surveying"])
async def survey(place: str) -> dict:
    return {"place": place, "depth": len(place)}

flow = fairlead.Flow("soundings", inputs={"places": ["bay", "strait"]})

@flow.step(foreach="inputs.places")
async def sound(item: str, ctx: fairlead.StepContext):
    return await ctx.call(survey, place=item)

@flow.step(after=sound)
async def chart(sound: list, ctx: fairlead.StepContext):
    return {"chart": sound, "by": await ctx.ask("Who signs the chart?")}
"""


OWN_WORKFLOW = """
name: own
inputs: {where: sea}
steps:
  - {id: look, agent: surveyor, with: {place: "${{ inputs.where }}"}}
"""


def test_agents_and_workflows_of_ones_own(cli: Cli, tmp_path: Path) -> None:
    module = tmp_path / "harbour.py"
    module.write_text(OWN_AGENTS)
    code, out, err = cli("run", "surveyor", "--agents", str(module), "--set", "place=bay", "--json")
    assert code == 0, err
    assert data(out)["result"] == {"place": "bay", "depth": 3}
    code, out, _ = cli("run", "soundings", "--agents", str(module), "--json")
    assert code == 1
    blocked = data(out)
    key = blocked["waiting_for"][0]["key"]
    assert cli("runs", "decide", "latest", key, "answer", '"Ada"')[0] == 0
    code, out, err = cli("runs", "resume", "latest", "--agents", str(module), "--json")
    assert code == 0, err
    assert data(out)["result"]["chart"]["by"] == "Ada"
    workflow = tmp_path / "own.yaml"
    workflow.write_text(OWN_WORKFLOW)
    code, out, err = cli("run", str(workflow), "--agents", str(module), "--json")
    assert code == 0, err
    assert data(out)["result"] == {"place": "sea", "depth": 3}
    for place in ("no.such.module", str(tmp_path / "none.py"), "json"):
        assert cli("run", "surveyor", "--agents", place)[0] == 1
