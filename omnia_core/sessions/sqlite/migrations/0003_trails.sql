-- The small records of an audit trail lie beside the others of their session, in the order of their numbers, so that one
-- page is written for a record and not a second one for an index.

CREATE TABLE calls (
    session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
    -- counts the calls of the session
    number INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    began_at TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    fault TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL,
    duration_ms REAL NOT NULL,
    PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;

INSERT INTO calls SELECT
    session, number, turn, began_at, provider, model, status, fault, attempt, input_tokens, output_tokens, cached_tokens,
    cost_usd, duration_ms
FROM provider_calls;

DROP TABLE provider_calls;

ALTER TABLE calls RENAME TO provider_calls;

CREATE TABLE events (
    session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
    -- counts the events of the session
    number INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;

INSERT INTO events SELECT session, number, turn, at, kind, detail FROM runtime_events;

DROP TABLE runtime_events;

ALTER TABLE events RENAME TO runtime_events;
