-- The signals of the last seconds: the latest of each kind for a session. Unlogged: what the database forgets when it
-- dies, a user sends again.
CREATE UNLOGGED TABLE omnia.signals (
    namespace text NOT NULL,
    agent text NOT NULL,
    session text NOT NULL,
    kind text NOT NULL,
    sender text NOT NULL,
    length integer NOT NULL,
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (namespace, agent, session, kind)
);
CREATE INDEX signals_sent ON omnia.signals (sent_at);

-- Keeps a signal, wakes the listeners of the agent, and deletes what no listener reads any more.
CREATE FUNCTION omnia.send_signal(
    its_namespace text, its_agent text, its_session text, its_kind text, its_sender text, its_length integer,
    channel text, kept interval
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    now timestamptz := clock_timestamp();
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    DELETE FROM omnia.signals WHERE (namespace, agent, session, kind) IN (
        SELECT namespace, agent, session, kind FROM omnia.signals
        WHERE sent_at < now - kept ORDER BY sent_at LIMIT 100 FOR UPDATE SKIP LOCKED
    );
    INSERT INTO omnia.signals VALUES (its_namespace, its_agent, its_session, its_kind, its_sender, its_length, now)
    ON CONFLICT (namespace, agent, session, kind)
    DO UPDATE SET sender = its_sender, length = its_length, sent_at = now;
    PERFORM pg_notify(channel, '');
END $$;
