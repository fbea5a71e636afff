-- Counting what was decided and what went wrong without reading the whole history.

-- migrate: up

-- The list is written as queries write it, which is how the index is found: store/figures.py has the same.
CREATE INDEX events_of_note ON events (tenant, time) WHERE type IN ('gate.passed', 'gate.failed', 'alert.raised', 'alert.resolved', 'budget.warned', 'budget.refused', 'ticket.closed', 'epic.completed');
CREATE INDEX runs_by_end ON runs (tenant, finished) WHERE finished IS NOT NULL;

-- migrate: down

DROP INDEX runs_by_end;
DROP INDEX events_of_note;
