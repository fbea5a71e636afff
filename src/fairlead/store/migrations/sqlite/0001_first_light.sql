-- Runs, their journal, their mailbox, and the history of everything.
-- Times are seconds since the epoch, UTC. Payloads are JSON written by store.codec, with their version beside them.

-- migrate: up

CREATE TABLE events (
    idx      INTEGER PRIMARY KEY,          -- strictly increasing in the order of commits
    id       TEXT NOT NULL,
    type     TEXT NOT NULL,
    tenant   TEXT NOT NULL,                -- tenant:workspace
    subject  TEXT NOT NULL,                -- the run, ticket or entry it is about
    data     TEXT NOT NULL,
    source   TEXT NOT NULL,
    cause    TEXT NOT NULL,
    time     REAL NOT NULL,
    version  INTEGER NOT NULL
);
CREATE INDEX events_by_subject ON events (subject, idx);

CREATE TABLE runs (
    id               TEXT PRIMARY KEY,
    tenant           TEXT NOT NULL,
    parent_id        TEXT REFERENCES runs (id),
    root_id          TEXT NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('workflow', 'agent', 'function')),
    name             TEXT NOT NULL,
    state            TEXT NOT NULL
                     CHECK (state IN ('init', 'running', 'paused', 'completed', 'terminated', 'error')),
    -- What somebody asked for is kept apart from what is: a pause is never stored as a cancel.
    pause_cause      TEXT,
    terminate_cause  TEXT,
    waiting_for      TEXT,
    input            BLOB NOT NULL,
    definition       BLOB,
    signature        TEXT NOT NULL,
    result           BLOB,
    error            TEXT,
    error_category   TEXT,
    model            TEXT,
    permission_mode  TEXT NOT NULL
                     CHECK (permission_mode IN ('default', 'acceptEdits', 'bypassPermissions', 'plan')),
    cause            TEXT NOT NULL,
    -- Who executes it, until when (beyond one machine), and how many times it was taken up.
    owner            TEXT,
    lease_expires    REAL,
    attempt          INTEGER NOT NULL DEFAULT 0,
    idempotency_key  TEXT,
    priority         INTEGER NOT NULL DEFAULT 2,
    run_at           REAL NOT NULL,
    created          REAL NOT NULL,
    started          REAL,
    finished         REAL,
    version          INTEGER NOT NULL,
    CHECK ((state IN ('completed', 'terminated', 'error')) = (finished IS NOT NULL))
);
CREATE INDEX runs_by_tenant ON runs (tenant, created);
CREATE INDEX runs_by_parent ON runs (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX runs_unfinished ON runs (state, run_at) WHERE finished IS NULL;
-- The same work submitted twice under one key is one run.
CREATE UNIQUE INDEX runs_once ON runs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE journal (
    run_id      TEXT NOT NULL REFERENCES runs (id),
    key         TEXT NOT NULL,             -- step, step[3], step/model#1, step/tool:name#2
    kind        TEXT NOT NULL,             -- step, item, sub, model, tool, child
    status      TEXT NOT NULL
                CHECK (status IN ('started', 'success', 'skipped', 'uncertain', 'error', 'unknown')),
    attempts    INTEGER NOT NULL,
    input_hash  TEXT,
    value       BLOB,
    error       TEXT,
    category    TEXT,
    metadata    TEXT,
    started     REAL NOT NULL,
    finished    REAL,
    version     INTEGER NOT NULL
);
CREATE UNIQUE INDEX journal_by_key ON journal (run_id, key);

CREATE TABLE commands (
    id        TEXT PRIMARY KEY,
    run_id    TEXT NOT NULL REFERENCES runs (id),
    verb      TEXT NOT NULL,
    args      TEXT NOT NULL,
    cause     TEXT NOT NULL,
    created   REAL NOT NULL,
    answered  REAL,
    accepted  INTEGER,
    answer    TEXT
);
CREATE INDEX commands_waiting ON commands (run_id) WHERE answered IS NULL;

-- migrate: down

DROP TABLE commands;
DROP TABLE journal;
DROP TABLE runs;
DROP TABLE events;
