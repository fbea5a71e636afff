-- Tickets, epics and backlog items of a server without a checkout. `board` is tenant:workspace.
-- `document` is the whole state as JSON with its format version; the columns beside it are what questions are asked of.

-- migrate: up

CREATE TABLE tk_things (
    n                INTEGER PRIMARY KEY,
    board            TEXT NOT NULL,
    id               TEXT NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('ticket', 'epic', 'backlog')),
    title            TEXT NOT NULL,
    status           TEXT NOT NULL,
    priority         INTEGER NOT NULL,
    type             TEXT,
    assignee         TEXT,
    assigned_agent   TEXT,
    epic_id          TEXT,
    parent_id        TEXT,
    reporter         TEXT,
    created_at       TEXT,
    updated_at       TEXT,
    closed_at        TEXT,
    due_date         TEXT,
    story_points     REAL,
    estimated_hours  REAL,
    risk             TEXT,
    business_value   INTEGER,
    deleted          INTEGER NOT NULL,
    flawed           INTEGER NOT NULL,
    revision         TEXT NOT NULL,
    document         TEXT NOT NULL,
    UNIQUE (board, id)
);
CREATE INDEX tk_things_open ON tk_things (board, kind, deleted, status, priority, created_at);
CREATE INDEX tk_things_urgent ON tk_things (board, kind, deleted, priority, created_at, id);
CREATE INDEX tk_things_parent ON tk_things (board, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tk_things_epic ON tk_things (board, epic_id) WHERE epic_id IS NOT NULL;

CREATE TABLE tk_labels (
    board  TEXT NOT NULL,
    id     TEXT NOT NULL,
    label  TEXT NOT NULL,
    PRIMARY KEY (board, id, label)
);
CREATE INDEX tk_labels_by_label ON tk_labels (board, label, id);

CREATE TABLE tk_edges (
    board  TEXT NOT NULL,
    id     TEXT NOT NULL,
    type   TEXT NOT NULL CHECK (type IN ('blocked_by', 'related_to', 'discovered_from')),
    other  TEXT NOT NULL,
    PRIMARY KEY (board, id, type, other),
    -- Nothing waits for itself; longer circles are refused before they are written.
    CHECK (id <> other)
);
CREATE INDEX tk_edges_by_other ON tk_edges (board, other, type, id);

CREATE TABLE tk_changes (
    board     TEXT NOT NULL,
    id        TEXT NOT NULL,
    thing_id  TEXT NOT NULL,
    at        TEXT NOT NULL,
    text      TEXT NOT NULL,
    PRIMARY KEY (board, id)
);
CREATE INDEX tk_changes_by_thing ON tk_changes (board, thing_id, at);
CREATE INDEX tk_changes_by_time ON tk_changes (board, at);

CREATE TABLE tk_claims (
    board       TEXT NOT NULL,
    id          TEXT NOT NULL,
    agent       TEXT NOT NULL,
    claimed_at  REAL NOT NULL,
    beat_at     REAL NOT NULL,
    expires_at  REAL NOT NULL,
    tree        TEXT NOT NULL,
    token       TEXT NOT NULL,
    PRIMARY KEY (board, id)
);

CREATE TABLE tk_counters (
    board  TEXT NOT NULL,
    name   TEXT NOT NULL,
    value  REAL NOT NULL,
    PRIMARY KEY (board, name)
);

CREATE VIRTUAL TABLE tk_text USING fts5 (title, body, notes, words, tokenize = "unicode61 remove_diacritics 2");

-- migrate: down

DROP TABLE tk_text;
DROP TABLE tk_counters;
DROP TABLE tk_claims;
DROP TABLE tk_changes;
DROP TABLE tk_edges;
DROP TABLE tk_labels;
DROP TABLE tk_things;
