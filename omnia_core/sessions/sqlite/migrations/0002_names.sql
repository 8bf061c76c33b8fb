-- What a session is about, for people; '' while it has no name.
ALTER TABLE sessions ADD COLUMN name TEXT NOT NULL DEFAULT '';

-- The signals of the last seconds: the latest of each kind for a session.
CREATE TABLE signals (
    namespace TEXT NOT NULL,
    agent TEXT NOT NULL,
    session TEXT NOT NULL,
    kind TEXT NOT NULL,
    sender TEXT NOT NULL,
    length INTEGER NOT NULL,
    sent_at TEXT NOT NULL,
    PRIMARY KEY (namespace, agent, session, kind)
) STRICT;
