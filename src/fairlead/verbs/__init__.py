"""The declared table of verbs: what Fairlead can do, said once for every face.

Each noun has a module with its ``VERBS``. Modules import their machinery inside the calls, so that one command does
not pay for the others.
"""

from __future__ import annotations

from importlib import import_module

from fairlead.verbs.table import Param, Verb

NOUNS: dict[str, str] = {
    "runs": "list, watch and control runs",
    "workflow": "list, show, draw and validate workflows",
    "agent": "list and show agents",
    "jobs": "list, watch, retry and cancel what is being taken in",
    "watch": "channels, feeds and folders that are looked at again and again",
    "memory": "remember, recall, forget and inspect what is known",
    "ticket": "what is to be done in this repository",
    "epic": "what belongs together, and how far it is",
    "backlog": "what may become work, the most worthwhile first",
    "requirement": "what tickets must fulfil, and whether they do",
    "time": "what work took, and its journal",
    "batch": "many changes of tickets as one",
    "index": "the disposable index of the board",
    "cache": "tickets kept between calls",
    "model": "list, test and train models, ask one, and explain a choice",
    "cost": "what was spent, on what, and what is to come",
    "budget": "limits that refuse before the call",
    "key": "who may call the server, and what was decided about each call",
    "publish": "post a brief where people read it",
    "classifier": "train label sets of your own, and use them",
}
"""Noun -> summary, in the order of the help page. Verbs without a noun come first there."""

NOUN_ALIASES: dict[str, str] = {
    "workflows": "workflow",
    "agents": "agent",
    "tickets": "ticket",
    "epics": "epic",
    "req": "requirement",
    "models": "model",
    "costs": "cost",
    "budgets": "budget",
    "keys": "key",
    "job": "jobs",
    "watches": "watch",
}


def load(noun: str) -> tuple[Verb, ...]:
    """The verbs of a noun; of those without one for the empty string. Each noun has a module of its name."""
    if noun == "":
        from fairlead.verbs import board, content, top, work

        return (*top.VERBS, *content.VERBS, *work.VERBS, *board.VERBS)
    if noun not in NOUNS:
        return ()
    verbs: tuple[Verb, ...] = import_module(f"fairlead.verbs.{noun}").VERBS
    return verbs


def every_verb() -> tuple[Verb, ...]:
    """The whole table."""
    return tuple(verb for noun in ("", *NOUNS) for verb in load(noun))


__all__ = ["NOUNS", "NOUN_ALIASES", "Param", "Verb", "every_verb", "load"]
