-- Model calls as a ledger, budgets with their windows, routing outcomes, answers kept for reuse, originals of
-- shortened context. Money is integer nano-dollars; times are seconds since the epoch, UTC.

-- migrate: up

CREATE TABLE budgets (
    id             TEXT PRIMARY KEY,
    tenant         TEXT NOT NULL,
    scope          TEXT NOT NULL CHECK (scope IN ('tenant', 'workspace', 'epic', 'agent', 'run', 'step')),
    subject        TEXT NOT NULL,          -- the epic, agent, run ...; '*' limits each one of them by itself
    period         TEXT NOT NULL CHECK (period IN ('request', 'hour', 'day', 'month', 'total')),
    limit_nano     INTEGER NOT NULL CHECK (limit_nano >= 0),
    on_limit       TEXT NOT NULL CHECK (on_limit IN ('refuse', 'ask')),
    local_only_at  INTEGER NOT NULL CHECK (local_only_at BETWEEN 0 AND 101),  -- percent; 101 means never
    cause          TEXT NOT NULL,
    created        REAL NOT NULL
);
-- Setting a budget again replaces it.
CREATE UNIQUE INDEX budgets_once ON budgets (tenant, scope, subject, period);

CREATE TABLE budget_windows (
    budget_id      TEXT NOT NULL REFERENCES budgets (id) ON DELETE CASCADE,
    subject        TEXT NOT NULL,
    window_start   INTEGER NOT NULL,
    reserved_nano  INTEGER NOT NULL CHECK (reserved_nano >= 0),
    spent_nano     INTEGER NOT NULL CHECK (spent_nano >= 0),
    warned         INTEGER NOT NULL DEFAULT 0,   -- highest level announced, in percent
    PRIMARY KEY (budget_id, subject, window_start)
) WITHOUT ROWID;

CREATE TABLE model_calls (
    id               TEXT PRIMARY KEY,     -- the request's id, a dot, and the number of the attempt
    tenant           TEXT NOT NULL,
    workspace        TEXT NOT NULL,
    epic             TEXT NOT NULL,
    agent            TEXT NOT NULL,
    run              TEXT NOT NULL,
    step             TEXT NOT NULL,
    path             TEXT NOT NULL,        -- how attributions were nested, outermost first
    task_type        TEXT NOT NULL,
    model            TEXT NOT NULL,
    tier             TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('reserved', 'settled', 'released', 'abandoned')),
    outcome          TEXT NOT NULL,        -- ok, failed, rejected, cancelled, cached; empty while in flight
    error_category   TEXT,
    reserved_nano    INTEGER NOT NULL,
    cost_nano        INTEGER,              -- empty when the price is unknown, which is not zero
    price_state      TEXT NOT NULL,        -- known, override, free, ceiling, unknown
    input_tokens     INTEGER NOT NULL DEFAULT 0,
    cached_tokens    INTEGER NOT NULL DEFAULT 0,
    written_tokens   INTEGER NOT NULL DEFAULT 0,
    output_tokens    INTEGER NOT NULL DEFAULT 0,
    usage_label      TEXT NOT NULL DEFAULT '',
    tokens_saved     INTEGER NOT NULL DEFAULT 0,
    fallback         INTEGER NOT NULL DEFAULT 0,
    quality          REAL,                 -- reported later, 0 to 1
    started          REAL NOT NULL,
    finished         REAL,
    holds            TEXT NOT NULL         -- the budget windows that the reservation was taken from
) WITHOUT ROWID;
CREATE INDEX model_calls_by_tenant ON model_calls (tenant, started);
CREATE INDEX model_calls_open ON model_calls (started) WHERE state = 'reserved';

CREATE TABLE routing_outcomes (
    tenant     TEXT NOT NULL,
    task_type  TEXT NOT NULL,
    model      TEXT NOT NULL,
    wins       REAL NOT NULL,
    losses     REAL NOT NULL,
    updated    REAL NOT NULL,
    PRIMARY KEY (tenant, task_type, model)
) WITHOUT ROWID;

CREATE TABLE kept_answers (
    tenant         TEXT NOT NULL,
    workspace      TEXT NOT NULL,
    key            TEXT NOT NULL,          -- hash over everything that determines the answer
    family         TEXT NOT NULL,          -- hash over everything but the prompt: where near prompts are looked for
    task_type      TEXT NOT NULL,
    prompt         TEXT NOT NULL,
    vector         BLOB NOT NULL,
    answer         BLOB NOT NULL,
    model          TEXT NOT NULL,
    cost_nano      INTEGER,
    created        REAL NOT NULL,
    expires        REAL NOT NULL,
    hits           INTEGER NOT NULL DEFAULT 0,
    version        INTEGER NOT NULL,
    PRIMARY KEY (tenant, workspace, key)
) WITHOUT ROWID;
CREATE INDEX kept_answers_near ON kept_answers (tenant, workspace, family, created);

CREATE TABLE kept_answer_lookups (
    tenant      TEXT NOT NULL,
    workspace   TEXT NOT NULL,
    task_type   TEXT NOT NULL,
    exact       INTEGER NOT NULL DEFAULT 0,
    near        INTEGER NOT NULL DEFAULT 0,
    missed      INTEGER NOT NULL DEFAULT 0,
    saved_nano  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, workspace, task_type)
) WITHOUT ROWID;

CREATE TABLE context_originals (
    tenant     TEXT NOT NULL,
    workspace  TEXT NOT NULL,
    handle     TEXT NOT NULL,
    content    TEXT NOT NULL,
    created    REAL NOT NULL,
    PRIMARY KEY (tenant, workspace, handle)
) WITHOUT ROWID;

CREATE TABLE token_calibrations (
    model      TEXT PRIMARY KEY,
    ratio      REAL NOT NULL,              -- returned tokens over estimated tokens
    samples    INTEGER NOT NULL,
    updated    REAL NOT NULL
);

-- migrate: down

DROP TABLE token_calibrations;
DROP TABLE context_originals;
DROP TABLE kept_answer_lookups;
DROP TABLE kept_answers;
DROP TABLE routing_outcomes;
DROP TABLE model_calls;
DROP TABLE budget_windows;
DROP TABLE budgets;
