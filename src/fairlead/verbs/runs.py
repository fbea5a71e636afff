"""Verbs of `runs`."""

from __future__ import annotations

from fairlead.verbs.table import Verb

VERBS: tuple[Verb, ...] = ()
