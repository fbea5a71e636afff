-- Memory: entries with their versions, full text, sparse and dense vectors, the graph, and what was erased.
-- `namespace` is the number of a tenant:workspace:name; every table carries it and every query names it.
-- `stamp` is the namespace's change counter at the write: an index catches up by reading what is above its own.

-- migrate: up

CREATE TABLE memory_namespaces (
    id         INTEGER PRIMARY KEY,
    tenant     TEXT NOT NULL,
    workspace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    changed    INTEGER NOT NULL DEFAULT 0,  -- increases with every write to the namespace
    entries    INTEGER NOT NULL DEFAULT 0,  -- kept by every write, as BM25 asks for the mean length
    words      INTEGER NOT NULL DEFAULT 0,
    model      TEXT,                        -- what made its dense vectors; one model a namespace
    dimensions INTEGER,
    weights    TEXT,                        -- fusion weights learned from feedback, JSON; absent until learned
    created    REAL NOT NULL,
    UNIQUE (tenant, workspace, name)
);

-- Numbers are never used again, so that an index cannot mistake a new entry for an erased one.
CREATE TABLE memory_numbers (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL
);
INSERT INTO memory_numbers VALUES ('entry', 1);

CREATE TABLE memory_entries (
    seq           INTEGER PRIMARY KEY,
    namespace     INTEGER NOT NULL REFERENCES memory_namespaces (id),
    id            TEXT NOT NULL UNIQUE,
    address       BLOB NOT NULL,            -- SHA-256 of content, type, source, span and key
    key           TEXT,                     -- a name under which the entry is replaced rather than added
    content       TEXT NOT NULL,
    content_type  TEXT NOT NULL,
    source        TEXT NOT NULL,
    span_start    INTEGER,
    span_end      INTEGER,
    tags          TEXT NOT NULL,            -- JSON list; memory_tags is its index
    metadata      TEXT NOT NULL,            -- JSON object
    success_score REAL NOT NULL CHECK (success_score BETWEEN 0 AND 1),
    usage_count   INTEGER NOT NULL DEFAULT 0,
    last_used     REAL,
    created       REAL NOT NULL,
    updated       REAL NOT NULL,
    expires       REAL,
    version       INTEGER NOT NULL,
    stamp         INTEGER NOT NULL,
    UNIQUE (namespace, address)
);
CREATE UNIQUE INDEX memory_entries_by_key ON memory_entries (namespace, key) WHERE key IS NOT NULL;
CREATE INDEX memory_entries_by_time ON memory_entries (namespace, created, seq);
CREATE INDEX memory_entries_by_source ON memory_entries (namespace, source);
CREATE INDEX memory_entries_by_stamp ON memory_entries (namespace, stamp);
CREATE INDEX memory_entries_expiring ON memory_entries (namespace, expires) WHERE expires IS NOT NULL;

CREATE TABLE memory_tags (
    namespace INTEGER NOT NULL,
    tag       TEXT NOT NULL,
    seq       INTEGER NOT NULL REFERENCES memory_entries (seq) ON DELETE CASCADE,
    PRIMARY KEY (namespace, tag, seq)
) WITHOUT ROWID;
CREATE INDEX memory_tags_by_entry ON memory_tags (seq);

-- What an entry was before it was changed.
CREATE TABLE memory_versions (
    namespace INTEGER NOT NULL,
    seq       INTEGER NOT NULL REFERENCES memory_entries (seq) ON DELETE CASCADE,
    version   INTEGER NOT NULL,
    content   TEXT NOT NULL,
    tags      TEXT NOT NULL,
    metadata  TEXT NOT NULL,
    replaced  REAL NOT NULL,
    cause     TEXT NOT NULL,
    PRIMARY KEY (namespace, seq, version)
);
CREATE INDEX memory_versions_by_entry ON memory_versions (seq);

-- Stems of the content; `ns` holds one token for the namespace and is part of every query.
CREATE VIRTUAL TABLE memory_fts USING fts5 (ns, terms, tokenize = "unicode61 remove_diacritics 0 categories 'L* N* Co'");
CREATE VIRTUAL TABLE memory_vocabulary USING fts5vocab (memory_fts, 'row');

-- Sparse hashed features of the content, from which a namespace's inverted index is built.
CREATE TABLE memory_features (
    seq       INTEGER PRIMARY KEY REFERENCES memory_entries (seq) ON DELETE CASCADE,
    namespace INTEGER NOT NULL,
    stamp     INTEGER NOT NULL,
    version   INTEGER NOT NULL,             -- of the analyser that made them
    length    INTEGER NOT NULL,             -- words of the content
    words     BLOB NOT NULL,                -- distinct stems with counts: what the inverted index is built from
    grams     BLOB NOT NULL                 -- all hashed features: what candidates are compared by
);
CREATE INDEX memory_features_by_stamp ON memory_features (namespace, stamp);

-- Dense vectors, quantised to one byte a dimension: value = data * scale.
CREATE TABLE memory_vectors (
    seq       INTEGER PRIMARY KEY REFERENCES memory_entries (seq) ON DELETE CASCADE,
    namespace INTEGER NOT NULL,
    stamp     INTEGER NOT NULL,
    model     TEXT NOT NULL,
    scale     REAL NOT NULL,
    data      BLOB NOT NULL
);
CREATE INDEX memory_vectors_by_stamp ON memory_vectors (namespace, stamp);

CREATE TABLE memory_entities (
    id        INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL REFERENCES memory_namespaces (id),
    name      TEXT NOT NULL,                -- folded, for finding
    label     TEXT NOT NULL,                -- as first written
    kind      TEXT NOT NULL,
    UNIQUE (namespace, name)
);
CREATE TABLE memory_mentions (
    namespace INTEGER NOT NULL,
    entity    INTEGER NOT NULL REFERENCES memory_entities (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL REFERENCES memory_entries (seq) ON DELETE CASCADE,
    PRIMARY KEY (namespace, entity, seq)
) WITHOUT ROWID;
CREATE INDEX memory_mentions_by_entry ON memory_mentions (seq);

-- An edge is stored once and read from both ends. `seq` is the entry that states it, when one does.
CREATE TABLE memory_relations (
    id        INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL,
    source    INTEGER NOT NULL REFERENCES memory_entities (id) ON DELETE CASCADE,
    target    INTEGER NOT NULL REFERENCES memory_entities (id) ON DELETE CASCADE,
    kind      TEXT NOT NULL,
    weight    REAL NOT NULL CHECK (weight > 0),
    seq       INTEGER REFERENCES memory_entries (seq) ON DELETE CASCADE
);
CREATE UNIQUE INDEX memory_relations_once ON memory_relations (namespace, source, target, kind, coalesce(seq, 0));
CREATE INDEX memory_relations_back ON memory_relations (namespace, target);
CREATE INDEX memory_relations_by_entry ON memory_relations (seq) WHERE seq IS NOT NULL;

-- Whether what was recalled helped, with the terms that had brought it up.
CREATE TABLE memory_feedback (
    id        INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL REFERENCES memory_namespaces (id),
    seq       INTEGER NOT NULL REFERENCES memory_entries (seq) ON DELETE CASCADE,
    terms     TEXT NOT NULL,                -- JSON object: term -> value
    useful    REAL NOT NULL CHECK (useful BETWEEN 0 AND 1),
    at        REAL NOT NULL
);
CREATE INDEX memory_feedback_by_namespace ON memory_feedback (namespace, id);
CREATE INDEX memory_feedback_by_entry ON memory_feedback (seq);

-- What is no longer there. An index removes it; an erased address is not taken in again from a backup.
CREATE TABLE memory_tombstones (
    namespace INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    id        TEXT NOT NULL,
    address   BLOB NOT NULL,
    reason    TEXT NOT NULL CHECK (reason IN ('forgotten', 'erased', 'expired', 'evicted', 'replaced')),
    cause     TEXT NOT NULL,
    at        REAL NOT NULL,
    stamp     INTEGER NOT NULL,
    PRIMARY KEY (namespace, seq)
);
CREATE INDEX memory_tombstones_by_stamp ON memory_tombstones (namespace, stamp);

-- A move of a namespace's vectors to another index, with the share of queries that the new one answers.
CREATE TABLE memory_moves (
    namespace INTEGER PRIMARY KEY REFERENCES memory_namespaces (id),
    target    TEXT NOT NULL,
    share     INTEGER NOT NULL CHECK (share IN (0, 10, 50, 100)),
    report    TEXT NOT NULL,                -- JSON: agreement and latency at each stage
    started   REAL NOT NULL,
    updated   REAL NOT NULL
);

-- migrate: down

DROP TABLE memory_moves;
DROP TABLE memory_tombstones;
DROP TABLE memory_feedback;
DROP TABLE memory_relations;
DROP TABLE memory_mentions;
DROP TABLE memory_entities;
DROP TABLE memory_vectors;
DROP TABLE memory_features;
DROP TABLE memory_vocabulary;
DROP TABLE memory_fts;
DROP TABLE memory_versions;
DROP TABLE memory_tags;
DROP TABLE memory_entries;
DROP TABLE memory_numbers;
DROP TABLE memory_namespaces;
