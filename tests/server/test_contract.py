"""What is answered is what is declared: every verb in a story, the OpenAPI document, and the tools of MCP."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fairlead.cli.main import main
from fairlead.pipeline.jobs import JobRequest, Jobs
from fairlead.server.access import SPECIAL
from fairlead.server.arguments import offered
from fairlead.server.document import tool_schemas
from fairlead.tenancy import make_tenant, use_tenant
from fairlead.verbs.answers import every_answer, schemas_of
from tests.server.story import tell
from tests.server.support import Serving, run, serving

NAMED, USED = schemas_of(every_answer(), "#/$defs/{model}")


def closed(schema: Any) -> Any:
    """The schema with no room for fields that it does not declare."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(part) for name, part in schema.items()}
    return {**made, "additionalProperties": False} if "properties" in made and made.get("type") == "object" else made


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a board, which is the working folder."""
    repository = tmp_path / "repository"
    repository.mkdir()
    monkeypatch.chdir(repository)
    subprocess.run(["git", "init", "-q"], check=True)
    assert main(["ticket", "init"]) == 0
    return repository


async def prepare(served: Serving) -> None:
    """What the story needs and no verb makes: entities in the memory, something to be taken in, and a watch."""
    await served.lead.memory.remember(
        "Ann Berg keeps the harbour of Bergen.",
        entities=("Ann Berg", "Bergen"),
        relations=(("Ann Berg", "keeps", "Bergen"),),
        cause="test",
    )
    with use_tenant(make_tenant("acme")):
        jobs = Jobs(served.lead.database, served.lead.clock)
        await jobs.submit([JobRequest("https://example.com/log", "web")], cause="test")
        await served.lead.intake.watches.add("https://example.com/feed.xml", cause="test")


def test_every_verb_that_is_offered_declares_what_it_answers() -> None:
    missing = offered().keys() - every_answer().keys()
    assert not missing, f"add them to the module of src/fairlead/verbs/answers that they belong to: {sorted(missing)}"


def test_every_verb_answers_what_it_declares_and_every_change_is_done_once(tmp_path: Path, board: Path) -> None:
    definitions = closed(USED)
    checks = {
        name: jsonschema.Draft202012Validator({**closed(schema), "$defs": definitions})
        for name, schema in NAMED.items()
    }
    told: set[str] = set()
    faults: list[str] = []
    numbers = itertools.count()

    async def story() -> None:
        settings = {"rate_limit": 1e5, "rate_burst": 100_000, "command_allow": ("echo",)}
        async with serving(tmp_path / "home", **settings) as served:
            await prepare(served)
            client = served.client(scopes=["*", *SPECIAL])

            async def ask(verb: str, /, **arguments: Any) -> Any:
                path = "/api/" + verb.replace(".", "/")
                if served.app.desk.verbs[verb].changes:
                    # Every change is sent twice with one key: it is done once, and answered alike.
                    keyed = {"idempotency-key": f"{verb} {next(numbers)}"}
                    answer = await client.post(path, json=arguments, headers=keyed)
                    again = await client.post(path, json=arguments, headers=keyed)
                    assert again.status_code == answer.status_code, (verb, again.text)
                    if verb in ("run", "runs.fork"):
                        assert again.json()["id"] == answer.json()["id"]
                    else:
                        assert again.content == answer.content, verb
                        assert again.headers["idempotency-replayed"] == "true", verb
                else:
                    answer = await client.get(path, params={k: _query(v) for k, v in arguments.items()})
                assert answer.status_code in (200, 201), (verb, arguments, answer.text)
                value = answer.json()
                faults.extend(f"{verb} at {f.json_path}: {f.message[:300]}" for f in checks[verb].iter_errors(value))
                told.add(verb)
                return value

            await tell(ask)
            untold = served.app.desk.verbs.keys() - told
            assert not untold, f"the story does not tell of {sorted(untold)}"
            assert not faults, "\n".join(faults)

    run(story())


def _query(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def test_a_field_that_is_not_declared_is_found() -> None:
    """The check above can fail: at the top, and below."""
    row = {"id": "a", "title": "t", "status": "open", "priority": "low"}
    graph = {"nodes": [row], "edges": [], "layers": []}
    check = jsonschema.Draft202012Validator({**closed(NAMED["ticket.graph"]), "$defs": closed(USED)})
    assert check.is_valid(graph)
    assert not check.is_valid({**graph, "more": 1})
    assert not check.is_valid({**graph, "nodes": [{**row, "more": 1}]})


def test_the_tools_of_mcp_declare_what_they_answer() -> None:
    for schema in tool_schemas().values():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert set(_references(schema)) == {f"#/$defs/{name}" for name in schema.get("$defs", {})}


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [found for item in schema for found in _references(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
    return own + [found for part in schema.values() for found in _references(part)]


def test_the_document_is_whole(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            nobody = served.client(key="")
            given = await nobody.get("/openapi.json")
            document, tag = given.json(), given.headers["etag"]
            assert (await nobody.get("/openapi.json", headers={"if-none-match": tag})).status_code == 304
            for reference in _references(document):
                _, _, kind, name = reference.split("/")
                assert name in document["components"][kind], reference
            for path, item in document["paths"].items():
                for method, operation in item.items():
                    answers = [said for code, said in operation["responses"].items() if code in ("200", "201", "207")]
                    for kind, content in (pair for said in answers for pair in said["content"].items()):
                        assert content["schema"], f"{method} {path} declares no answer as {kind}"
                    assert answers or path == "/api/team/coordinate-epic"
            assert json.loads(json.dumps(document)) == document

    run(story())
