-- How much of its rate each caller has left, over all processes of the store.

-- migrate: up

CREATE TABLE rate_levels (
    tenant  TEXT NOT NULL,               -- tenant:workspace
    name    TEXT NOT NULL,               -- id of the caller
    level   REAL NOT NULL,               -- tokens; below zero when processes gave out the same ones
    since   REAL NOT NULL                -- when that was the level, seconds since the epoch
);
CREATE UNIQUE INDEX rate_levels_once ON rate_levels (tenant, name);
CREATE INDEX rate_levels_by_age ON rate_levels (since);

-- migrate: down

DROP TABLE rate_levels;
