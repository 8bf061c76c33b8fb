-- The sessions that have to be evaluated; no row where evaluations are off.
CREATE TABLE eval_feed (
    namespace TEXT NOT NULL,
    agent TEXT NOT NULL,
    session TEXT NOT NULL,
    due_at TEXT NOT NULL,
    active_at TEXT NOT NULL,
    -- counts the appends
    version INTEGER NOT NULL DEFAULT 1,
    claim TEXT NOT NULL DEFAULT '',
    claimed_until TEXT NOT NULL DEFAULT '',
    -- whether an append leaves due_at as it is
    held INTEGER NOT NULL DEFAULT 0,
    -- JSON of the program
    progress TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (namespace, agent, session)
) STRICT, WITHOUT ROWID;

-- What the judges of an agent cost, by day (UTC).
CREATE TABLE eval_spend (
    namespace TEXT NOT NULL,
    agent TEXT NOT NULL,
    day TEXT NOT NULL,
    usd REAL NOT NULL,
    PRIMARY KEY (namespace, agent, day)
) STRICT, WITHOUT ROWID;
