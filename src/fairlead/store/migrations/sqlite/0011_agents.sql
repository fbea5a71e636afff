-- Agents that were registered as data, and what A2A clients said to begin tasks.

-- migrate: up

CREATE TABLE agent_specs (
    tenant    TEXT NOT NULL,               -- tenant:workspace
    name      TEXT NOT NULL,
    revision  INTEGER NOT NULL,            -- 1, and one more with every replacement
    spec      TEXT NOT NULL,               -- JSON of an AgentSpec
    cause     TEXT NOT NULL,
    changed   REAL NOT NULL
);
CREATE UNIQUE INDEX agent_specs_once ON agent_specs (tenant, name);

CREATE TABLE a2a_messages (
    tenant      TEXT NOT NULL,
    task        TEXT NOT NULL,             -- the idempotency key of the run, known before the run is
    number      INTEGER NOT NULL,
    message_id  TEXT NOT NULL,
    context_id  TEXT NOT NULL,
    message     TEXT NOT NULL,             -- JSON of an A2A message
    created     REAL NOT NULL
);
CREATE UNIQUE INDEX a2a_messages_in_order ON a2a_messages (tenant, task, number);
-- A client that repeats a message it got no answer to must not say it twice.
CREATE UNIQUE INDEX a2a_messages_once ON a2a_messages (tenant, task, message_id);
CREATE INDEX a2a_messages_by_context ON a2a_messages (tenant, context_id);

-- migrate: down

DROP TABLE a2a_messages;
DROP TABLE agent_specs;
