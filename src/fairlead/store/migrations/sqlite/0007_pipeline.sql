-- The pipeline's durable work: jobs, what was taken in and from where, and the sources that are watched.
-- `tenant` is tenant:workspace; every query names it, except those of a worker that serves all tenants.

-- migrate: up

CREATE TABLE pipeline_jobs (
    id            TEXT PRIMARY KEY,          -- grows with time: equal priorities are done in order of arrival
    tenant        TEXT NOT NULL,
    key           TEXT NOT NULL,             -- two submissions of one key that is not done yet are one job
    batch         TEXT NOT NULL,             -- what was submitted together
    source        TEXT NOT NULL,             -- which source was asked for; empty: whichever takes the address
    address       TEXT NOT NULL,             -- URL, or absolute path
    external_id   TEXT NOT NULL,
    tags          TEXT NOT NULL,             -- JSON list
    options       TEXT NOT NULL,             -- JSON object
    visibility    TEXT NOT NULL,
    priority      INTEGER NOT NULL,
    status        TEXT NOT NULL CHECK (status IN ('pending', 'running', 'done', 'error', 'cancelled')),
    stage         TEXT NOT NULL CHECK (stage IN ('queued', 'classifying', 'extracting', 'ingesting', 'complete')),
    attempts      INTEGER NOT NULL DEFAULT 0,
    scheduled_at  REAL NOT NULL,             -- not before this time
    picked_at     REAL,
    finished_at   REAL,
    owner         TEXT,                      -- the worker that has it
    lease_until   REAL,                      -- until when it has it without saying so again
    error         TEXT,                      -- JSON object: message, remedy, category, exception
    result        TEXT,                      -- JSON object
    cause         TEXT NOT NULL,
    created       REAL NOT NULL
);
-- The rule that a source submitted fifty times at once is one piece of work.
CREATE UNIQUE INDEX pipeline_jobs_once ON pipeline_jobs (tenant, key) WHERE status IN ('pending', 'running');
CREATE INDEX pipeline_jobs_due ON pipeline_jobs (tenant, priority DESC, id) WHERE status = 'pending';
CREATE INDEX pipeline_jobs_soonest ON pipeline_jobs (scheduled_at) WHERE status = 'pending';
CREATE INDEX pipeline_jobs_soonest_of ON pipeline_jobs (tenant, scheduled_at) WHERE status = 'pending';
CREATE INDEX pipeline_jobs_running ON pipeline_jobs (owner) WHERE status = 'running';
CREATE INDEX pipeline_jobs_by_tenant ON pipeline_jobs (tenant, id);
CREATE INDEX pipeline_jobs_by_batch ON pipeline_jobs (tenant, batch);

-- What memory holds of a source, as it was last understood.
CREATE TABLE pipeline_items (
    tenant        TEXT NOT NULL,
    collection    TEXT NOT NULL,             -- the name in memory
    source        TEXT NOT NULL,             -- URL or path, as every passage of it says
    title         TEXT NOT NULL,
    kind          TEXT NOT NULL,
    language      TEXT NOT NULL,
    checksum      TEXT NOT NULL,             -- SHA-256 of the bytes
    fingerprint   TEXT NOT NULL,             -- of the bytes and of how they were understood
    tags          TEXT NOT NULL,             -- JSON list
    record        TEXT NOT NULL,             -- JSON: what the source says about itself
    words         INTEGER NOT NULL,
    passages      INTEGER NOT NULL,
    created       REAL NOT NULL,
    changed       REAL NOT NULL,             -- when its passages last changed
    seen          REAL NOT NULL,             -- when it was last read
    PRIMARY KEY (tenant, collection, source)
);

-- Every change of what memory holds of a source: from which bytes, by which job.
CREATE TABLE pipeline_provenance (
    id         TEXT PRIMARY KEY,
    tenant     TEXT NOT NULL,
    collection TEXT NOT NULL,
    source     TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    job        TEXT NOT NULL,
    added      INTEGER NOT NULL,
    kept       INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    at         REAL NOT NULL
);
CREATE INDEX pipeline_provenance_of ON pipeline_provenance (tenant, collection, source, id);

CREATE TABLE pipeline_watches (
    id            TEXT PRIMARY KEY,
    tenant        TEXT NOT NULL,
    source        TEXT NOT NULL,
    address       TEXT NOT NULL,
    label         TEXT NOT NULL,
    tags          TEXT NOT NULL,
    options       TEXT NOT NULL,
    interval      REAL NOT NULL CHECK (interval > 0),
    cursor        TEXT NOT NULL DEFAULT '',
    last_seen     TEXT NOT NULL DEFAULT '',
    etag          TEXT NOT NULL DEFAULT '',
    last_modified TEXT NOT NULL DEFAULT '',
    next_at       REAL NOT NULL,
    checked_at    REAL,
    failure_count INTEGER NOT NULL DEFAULT 0,
    backoff_until REAL,
    error         TEXT,
    found         INTEGER NOT NULL DEFAULT 0,
    cause         TEXT NOT NULL,
    created       REAL NOT NULL,
    UNIQUE (tenant, address)
);
CREATE INDEX pipeline_watches_due ON pipeline_watches (next_at);

-- A document that is taken in again asks which of its passages were erased for good; there are few of them.
CREATE INDEX memory_tombstones_erased ON memory_tombstones (namespace, address) WHERE reason = 'erased';

-- migrate: down

DROP INDEX memory_tombstones_erased;
DROP TABLE pipeline_watches;
DROP TABLE pipeline_provenance;
DROP TABLE pipeline_items;
DROP TABLE pipeline_jobs;
