"""Gets bytes from addresses that nobody has vouched for, without being led anywhere it must not go.

Owns the one HTTP client of the pipeline: which addresses may be reached, how much and how long, how politely, and what
a failure means. Everything that comes from outside is fetched through it, except by programs that do so themselves.
"""

from __future__ import annotations

from fairlead.pipeline.fetch.addresses import AddressRules, Target, make_rules, parse_target
from fairlead.pipeline.fetch.client import Fetched, Fetcher
from fairlead.pipeline.fetch.failures import shown
from fairlead.pipeline.fetch.limits import FetchLimits

__all__ = ["AddressRules", "FetchLimits", "Fetched", "Fetcher", "Target", "make_rules", "parse_target", "shown"]
