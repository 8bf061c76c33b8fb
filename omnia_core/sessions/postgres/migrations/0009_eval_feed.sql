-- The sessions that have to be evaluated; no row where evaluations are off. It is a table of its own, so that turns
-- without evaluations change no index more.
CREATE TABLE omnia.eval_feed (
    namespace text NOT NULL,
    agent text NOT NULL,
    session text NOT NULL,
    due_at timestamptz NOT NULL,
    active_at timestamptz NOT NULL,
    -- counts the appends
    version bigint NOT NULL DEFAULT 1,
    claim text NOT NULL DEFAULT '',
    claimed_until timestamptz NOT NULL DEFAULT '-infinity',
    -- whether an append leaves due_at as it is
    held boolean NOT NULL DEFAULT false,
    -- JSON of the program
    progress text NOT NULL DEFAULT '{}',
    PRIMARY KEY (namespace, agent, session)
);
CREATE INDEX eval_feed_due ON omnia.eval_feed (namespace, agent, due_at);

-- What the judges of an agent cost, by day (UTC).
CREATE TABLE omnia.eval_spend (
    namespace text NOT NULL,
    agent text NOT NULL,
    day text NOT NULL,
    usd double precision NOT NULL,
    PRIMARY KEY (namespace, agent, day)
);
