-- The tables of the session store, with the names and columns that they have in PostgreSQL. Times are text that sorts:
-- RFC 3339, UTC, microseconds. Ids, users and versions have a backslash written twice, and the character NUL as \0.

CREATE TABLE sessions (
    key INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    agent TEXT NOT NULL,
    id TEXT NOT NULL,
    tag TEXT NOT NULL DEFAULT 'agent',
    user_id TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'completed',
    -- how many messages were ever appended
    length INTEGER NOT NULL DEFAULT 0,
    -- the position of the first message that is kept, and how many turns were before it
    first_position INTEGER NOT NULL DEFAULT 0,
    first_turn INTEGER NOT NULL DEFAULT 0,
    -- the version of the PromptPack that the first message of all had, once that message is deleted
    begun_with TEXT NOT NULL DEFAULT '',
    begun_at TEXT NOT NULL,
    -- the last append
    active_at TEXT NOT NULL,
    -- the last use, from which the times below count
    used_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    -- when what is kept is deleted, unless the session ends later; NULL: when it ends
    kept_until TEXT,
    -- whether its end was noticed: its id is free again
    ended INTEGER NOT NULL DEFAULT 0,
    turns INTEGER NOT NULL DEFAULT 0,
    tool_calls INTEGER NOT NULL DEFAULT 0,
    provider_calls INTEGER NOT NULL DEFAULT 0,
    provider_errors INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cached_tokens INTEGER NOT NULL DEFAULT 0,
    cost_usd REAL NOT NULL DEFAULT 0,
    -- what a policy on trial would have done since the last use: 1 ended the session, 2 deleted it
    trial_stage INTEGER NOT NULL DEFAULT 0,
    -- the position of the first message that a policy on trial would have kept
    trial_position INTEGER NOT NULL DEFAULT 0,
    -- what a running turn has so far: records as in messages, one a line
    checkpoint TEXT
) STRICT;

CREATE UNIQUE INDEX sessions_open ON sessions (namespace, agent, id) WHERE NOT ended;
CREATE INDEX sessions_id ON sessions (namespace, id);
CREATE INDEX sessions_begun ON sessions (namespace, begun_at, key);
CREATE INDEX sessions_begun_agent ON sessions (namespace, agent, begun_at, key);
CREATE INDEX sessions_expiry ON sessions (expires_at) WHERE NOT ended;
CREATE INDEX sessions_kept ON sessions (max(expires_at, coalesce(kept_until, ''))) WHERE ended;

CREATE TABLE messages (
    session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    role TEXT NOT NULL,
    pack_version TEXT NOT NULL,
    -- JSON
    record TEXT NOT NULL,
    PRIMARY KEY (session, position)
) STRICT;

CREATE TABLE provider_calls (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
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
    duration_ms REAL NOT NULL
) STRICT;

CREATE TABLE tool_calls (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
    turn INTEGER NOT NULL,
    began_at TEXT NOT NULL,
    call_id TEXT NOT NULL,
    name TEXT NOT NULL,
    handler TEXT NOT NULL,
    arguments TEXT NOT NULL,
    status TEXT NOT NULL,
    duration_ms REAL NOT NULL
) STRICT;

CREATE TABLE runtime_events (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
    turn INTEGER NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TABLE eval_results (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
    turn INTEGER NOT NULL,
    at TEXT NOT NULL,
    evaluation TEXT NOT NULL,
    source TEXT NOT NULL,
    score REAL,
    passed INTEGER,
    explanation TEXT NOT NULL
) STRICT;

-- An index of a table has its number too, so records of a session come in their order.
CREATE INDEX provider_calls_session ON provider_calls (session);
CREATE INDEX tool_calls_session ON tool_calls (session);
CREATE INDEX runtime_events_session ON runtime_events (session);
CREATE INDEX eval_results_session ON eval_results (session);

-- `buckets`: counts of latencies, a JSON array; their bounds are the program's. `day`: UTC.
CREATE TABLE daily_turns (
    namespace TEXT NOT NULL,
    day TEXT NOT NULL,
    agent TEXT NOT NULL,
    turns INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    buckets TEXT NOT NULL,
    PRIMARY KEY (namespace, day, agent)
) STRICT;

CREATE TABLE daily_calls (
    namespace TEXT NOT NULL,
    day TEXT NOT NULL,
    agent TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL,
    buckets TEXT NOT NULL,
    PRIMARY KEY (namespace, day, agent, provider, model)
) STRICT;

-- What callers of functions were answered, so that a repeated call gets the first answer again. A row without a reply is
-- held by a call that is being answered, until its lease is over.
CREATE TABLE replies (
    namespace TEXT NOT NULL,
    agent TEXT NOT NULL,
    -- SHA-256 of who asked and of their key
    scope BLOB NOT NULL,
    -- SHA-256 of what was asked
    fingerprint BLOB NOT NULL,
    holder TEXT NOT NULL,
    reply BLOB,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (namespace, agent, scope)
) STRICT;

CREATE INDEX replies_expiry ON replies (expires_at);
