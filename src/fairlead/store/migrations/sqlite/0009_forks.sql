-- Which run another one was forked from.

-- migrate: up

ALTER TABLE runs ADD COLUMN forked_from TEXT REFERENCES runs (id);

-- migrate: down

ALTER TABLE runs DROP COLUMN forked_from;
