"""Verbs without a noun."""

from __future__ import annotations

from fairlead.verbs.table import Verb

VERBS: tuple[Verb, ...] = ()
