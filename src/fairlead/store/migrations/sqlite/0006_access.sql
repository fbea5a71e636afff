-- Who may call the server, what was decided about each call, and answers kept for repeated requests.

-- migrate: up

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    tenant     TEXT NOT NULL,              -- tenant:workspace
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL,              -- SHA-256 of the whole key; the key itself is nowhere
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    scopes     TEXT NOT NULL,              -- JSON list of patterns
    cause      TEXT NOT NULL,
    created    REAL NOT NULL,
    expires    REAL,
    revoked    REAL,
    last_used  REAL
);
CREATE INDEX api_keys_by_tenant ON api_keys (tenant, created);

CREATE TABLE audit (
    id       TEXT PRIMARY KEY,
    time     REAL NOT NULL,
    tenant   TEXT NOT NULL,                -- empty when the caller is not known
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('allowed', 'refused', 'failed')),
    reason   TEXT NOT NULL,
    request  TEXT NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant, id);

CREATE TABLE request_answers (
    tenant       TEXT NOT NULL,
    key          TEXT NOT NULL,            -- the caller's Idempotency-Key
    fingerprint  TEXT NOT NULL,            -- of the action and its arguments
    answer       BLOB,                     -- absent while the request is being carried out
    created      REAL NOT NULL
);
CREATE UNIQUE INDEX request_answers_once ON request_answers (tenant, key);

-- migrate: down

DROP TABLE request_answers;
DROP TABLE audit;
DROP TABLE api_keys;
