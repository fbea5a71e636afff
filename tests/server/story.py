"""A story in which every verb that callers may be granted is called at least once and answers.

The same story serves several tests: answers are held against the declared shapes, creating requests are repeated with
one key, and the document is compared with what was really answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.server.support import GATES

Ask = Callable[..., Awaitable[Any]]


async def tell(ask: Ask) -> None:
    """Asks ``ask(verb, **arguments)`` for every verb, in an order in which each can succeed."""
    await _board(ask)
    await _runs(ask)
    await _memory(ask)
    await _money(ask)
    await _keys(ask)
    for verb in ("workflow.list", "workflow.schema", "agent.list", "events", "ticket.prime"):
        await ask(verb)
    await ask("agent.show", agent="echo")
    spec = {"name": "lookout", "description": "Keeps a lookout.", "instructions": "Say what you see."}
    await ask("agent.register", spec=spec)
    await ask("agent.show", agent="lookout")
    await ask("agent.list")
    await ask("agent.remove", agent="lookout")
    await ask("agent.spawn", agents=[{"type": "echo", "name": "one"}, {"type": "nobody", "name": "two"}])
    await ask("ingest", text="The pilot boards at noon.", title="Log", tags=["log"])
    await ask("jobs.list")
    jobs = (await ask("jobs.list", status="pending"))["items"]
    await ask("jobs.show", job=jobs[0]["id"])
    await ask("jobs.cancel", job=[jobs[0]["id"]])
    await ask("jobs.retry", job=[jobs[0]["id"]])
    await ask("jobs.retry", every=True)
    watches = (await ask("watch.list"))["items"]
    await ask("watch.remove", watch=watches[0]["id"])
    for verb in ("show", "draw", "validate"):
        await ask(f"workflow.{verb}", workflow="content-brief")
    await ask("workflow.draw", workflow="content-brief", to="dot")


async def _board(ask: Ask) -> None:
    first = (await ask("ticket.create", title=["Mend the sail"], body="It is torn.", priority="high", label=["sail"]))[
        "id"
    ]
    second = (await ask("ticket.create", title=["Hoist the sail"], blocked_by=[first]))["id"]
    third = (await ask("ticket.create", title=["Paint the hull"], type="chore"))["id"]
    await _tickets(ask, first, second, third)
    await _epics(ask, first)
    await _requirements(ask, first)
    await _exchange(ask)
    for verb in ("index.rebuild", "index.stats", "cache.warm", "cache.stats", "cache.clear", "board"):
        await ask(verb)
    await ask("ticket.close", ids=[first], reason=["mended"], force=True)
    await ask("ticket.close", ids=[second], reason=["hoisted"], force=True)
    await ask("ticket.reopen", ids=[first], comment="torn again")


async def _exchange(ask: Ask) -> None:
    made = (await ask("batch.create", items=[{"title": "Coil the lines"}, {"title": "Fly the flag"}]))["created_ids"]
    await ask("batch.update", items=[{"id": made[0], "priority": "low"}, {"id": "zzzz9", "title": "x"}], atomic=False)
    await ask("batch.close", items=[made[0]])
    await ask("batch.delete", items=[made[1]])
    await ask("batch.run", items=[{"title": "Dry the sails"}], dry_run=True)
    text = (await ask("ticket.export", to="beads"))["text"]
    await ask("ticket.import", text=text, source="beads", dry_run=True)


async def _tickets(ask: Ask, first: str, second: str, third: str) -> None:
    for verb in ("list", "ready", "blocked", "tree", "graph", "history", "stats", "events", "claims"):
        await ask(f"ticket.{verb}")
    await ask("ticket.list", full=True, status=["open"])
    await ask("ticket.events", counts=True)
    for form in ("mermaid", "dot"):
        await ask("ticket.graph", as_=form)
    await ask("ticket.search", words=["sail"])
    await ask("ticket.show", ids=[first])
    await ask("ticket.show", ids=[first, second], full=True)
    await ask("ticket.update", ids=[first], title="Mend the mainsail", body="Torn at the leech.")
    await ask("ticket.update", ids=[first, second], priority="low")
    await ask("ticket.comment", id=first, text=["Needle", "found."])
    await ask("ticket.assign", id=first, who="ann")
    await ask("ticket.tag", id=first, labels=["deck"])
    await ask("ticket.untag", id=first, labels=["deck"])
    await ask("ticket.priority", id=first, priority="high")
    await ask("ticket.link", id=first, related=[third])
    await ask("ticket.unlink", id=first, related=[third])
    await ask("ticket.claim", ids=[first], agent="ann")
    await ask("ticket.claims")
    await ask("ticket.heartbeat", id=first, agent="ann")
    await ask("ticket.release", ids=[first], agent="ann")
    await ask("ticket.undo", id=first)
    fourth = (await ask("ticket.create", title=["Scrub the deck"]))["id"]
    await ask("ticket.delete", ids=[fourth])
    await ask("ticket.restore", ids=[fourth])
    await ask("time.log", ticket=first, duration="2h", note="sewing")
    await ask("time.start", ticket=first)
    await ask("time.stop", ticket=first)
    await ask("time.journal", ticket=first, text="half done", completion=50)
    await ask("time.show", ticket=first)


async def _epics(ask: Ask, ticket: str) -> None:
    epic = (await ask("epic.create", title="Ready for sea", description="All that it takes."))["id"]
    await ask("epic.add-ticket", epic=epic, ticket=[ticket])
    await ask("epic.list")
    await ask("epic.show", epic=epic)
    await ask("epic.update", epic=epic, status="active")
    await ask("epic.remove-ticket", epic=epic, ticket=[ticket])
    await ask("epic.complete", epic=epic, force=True)
    await ask("epic.delete", epic=epic)
    item = (await ask("backlog.add", title="A bigger boat", description="Much bigger."))["id"]
    await ask("backlog.list")
    await ask("backlog.show", item=item)
    await ask("backlog.update", item=item, status="ready", points=3)
    await ask("backlog.convert", item=item)
    other = (await ask("backlog.add", title="A smaller boat"))["id"]
    await ask("backlog.delete", item=other)


async def _requirements(ask: Ask, ticket: str) -> None:
    added = (await ask("requirement.add", ticket=ticket, title="Holds in a gale", criterion=["no tear at 8 Bft"]))[
        "entries"
    ][0]
    await ask("requirement.story", ticket=ticket, persona="sailor", goal="a whole sail", benefit="I get home")
    await ask("requirement.gherkin", ticket=ticket, title="Gale", given=["wind"], when=["hoisted"], then=["it holds"])
    await ask("requirement.result", ticket=ticket, description="It held", method="manual")
    await ask("requirement.list", ticket=ticket)
    await ask("requirement.set", ticket=ticket, entry=added["id"], status="approved")
    await ask("requirement.verify", ticket=ticket, entry=[added["id"]], evidence="log of the trial")
    await ask("requirement.coverage", ticket=ticket)
    await ask("requirement.coverage")


async def _runs(ask: Ask) -> None:
    done = (await ask("run", target="echo", inputs={"text": "ahoy"}))["id"]
    held = (await ask("run", target="held"))["id"]
    while "gate" not in GATES:
        await asyncio.sleep(0.005)
    await ask("runs.list", every=True, limit=1)
    await ask("runs.show", run=held)
    await ask("trace", run=held)
    await ask("runs.steer", run=held, message="hard to port")
    await ask("runs.model", run=held, model="local/extractive")
    await ask("runs.permissions", run=held, mode="plan")
    await ask("runs.permissions", run=held, mode="default")
    await ask("runs.command", run=held, command="echo ahoy")
    await ask("runs.pause", run=held)
    await ask("runs.pause", run=held)
    await ask("runs.show", run=held)
    await ask("runs.resume", run=held)
    await ask("runs.terminate", run=held)
    await ask("runs.terminate", run=held)
    asking = (await ask("run", target="asking"))["id"]
    while not (waiting := (await ask("runs.show", run=asking)).get("waiting_for")):
        await asyncio.sleep(0.005)
    await ask("runs.decide", run=asking, step=waiting[0]["key"], word="answer", value="port")
    faulty = (await ask("run", target="faulty"))["id"]
    for run_id in (done, asking, faulty):
        while (await ask("runs.show", run=run_id))["state"] not in ("completed", "error"):
            await asyncio.sleep(0.005)
        await ask("trace", run=run_id, every=True)
    await ask("runs.checkpoints", run=done)
    await ask("runs.fork", run=done, at="1")
    await ask("runs.list", every=True)


async def _memory(ask: Ask) -> None:
    text = "The licence of the harbour software is MIT. Ann Berg keeps the harbour at Bergen."
    kept = (await ask("memory.add", text=text, tag=["harbour"], metadata={"page": 3}, source="log.md"))["id"]
    other = (await ask("memory.add", text="The anchor weighs 40 kilograms.", key="anchor"))["id"]
    await ask("memory.add", text="The anchor weighs 41 kilograms.", key="anchor", name="content")
    await ask("memory.recall", query="harbour licence")
    await ask("memory.show", id=kept)
    await ask("memory.versions", id=other)
    for verb in ("list", "stats", "verify", "reindex"):
        await ask(f"memory.{verb}")
    for form in ("tree", "dot", "graphml", "cypher"):
        await ask("memory.graph", entity="Ann Berg", depth=1, output=form)
    await ask("memory.graph", output="themes")
    await ask("ask", question="What does the anchor weigh?")
    await ask("ask", question="Who was the first emperor?", name="nothing")
    exported = (await ask("memory.export", limit=1))["items"]
    await ask("memory.import", entries=exported, name="elsewhere")
    await ask("memory.forget", id=[kept])
    await ask("memory.erase", id=[other])
    await ask("memory.move", target="embedded", share=10)


async def _money(ask: Ask) -> None:
    await ask("budget.set", scope="tenant", subject="acme", amount="5.0", period="day")
    listed = (await ask("budget.list"))["items"]
    await ask("budget.show", budget=listed[0]["id"])
    await ask("model.list")
    await ask("model.list", all=True)
    await ask("model.show", model="local/extractive")
    text = "The fairlead guides a rope. A cleat holds it.\n\nWhat does the fairlead guide?"
    await ask("model.ask", prompt=text, local=True)
    await ask("model.route", prompt=text, explain=True)
    await ask("model.route", prompt=text)
    for verb in ("summary", "tree", "calls", "forecast", "alerts"):
        await ask(f"cost.{verb}")
    for group in ("model", "agent", "run", "tier"):
        await ask("cost.by", group=group)
    await ask("cost.report", reference="local/extractive")
    await ask("budget.delete", budget=listed[0]["id"])


async def _keys(ask: Ask) -> None:
    key = (await ask("key.create", name="ci", role="operator", expires=1.0))["id"]
    await ask("key.list")
    await ask("key.revoke", key=key)
    await ask("key.audit", limit=5)
