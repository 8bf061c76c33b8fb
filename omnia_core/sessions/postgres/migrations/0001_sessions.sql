-- One row for each session, one for each of its messages.
--
-- The messages are not partitioned: a unique key of a partitioned table has to hold the partition's column, so two
-- partitions could both take position 7 of one session, and a session that is used for longer than a week would keep
-- its first partition from being dropped.

CREATE TABLE omnia.sessions (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace text NOT NULL,
    agent text NOT NULL,
    id text NOT NULL,
    length integer NOT NULL DEFAULT 0,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    -- what a running turn has so far: records as in omnia.messages, one a line
    checkpoint bytea,
    UNIQUE (namespace, agent, id)
);

CREATE INDEX sessions_expiry ON omnia.sessions (expires_at);

CREATE TABLE omnia.messages (
    session bigint NOT NULL REFERENCES omnia.sessions (key) ON DELETE CASCADE,
    position integer NOT NULL,
    append uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    role text NOT NULL,
    pack_version text NOT NULL,
    -- JSON in UTF-8. Not jsonb, which refuses the character NUL and writes numbers anew.
    record bytea NOT NULL,
    PRIMARY KEY (session, position)
);

-- Appends all records or none. An append that is sent again because its answer was lost changes nothing.
CREATE FUNCTION omnia.append(
    its_namespace text, its_agent text, its_id text, ttl interval, append_id uuid, expected integer,
    roles text[], pack_versions text[], records bytea[], OUT appended boolean, OUT new_length integer
) LANGUAGE plpgsql AS $$
DECLARE
    it omnia.sessions%ROWTYPE;
BEGIN
    -- The update changes nothing: it locks a row that is there, and sees it as it is now.
    INSERT INTO omnia.sessions AS s (namespace, agent, id, expires_at)
    VALUES (its_namespace, its_agent, its_id, clock_timestamp() + ttl)
    ON CONFLICT (namespace, agent, id) DO UPDATE SET length = s.length
    RETURNING s.* INTO it;

    IF it.expires_at <= clock_timestamp() THEN
        DELETE FROM omnia.messages WHERE session = it.key;
        UPDATE omnia.sessions SET length = 0, begun_at = clock_timestamp(), checkpoint = NULL WHERE key = it.key;
        it.length := 0;
    END IF;

    appended := it.length = expected;
    IF appended THEN
        INSERT INTO omnia.messages (session, position, append, role, pack_version, record)
        SELECT it.key, expected + each.number - 1, append_id, each.role, each.pack_version, each.record
        FROM unnest(roles, pack_versions, records) WITH ORDINALITY AS each (role, pack_version, record, number);
    ELSE
        appended := EXISTS (
            SELECT FROM omnia.messages WHERE session = it.key AND position = expected AND append = append_id
        );
    END IF;

    IF NOT appended THEN
        new_length := it.length;
        IF it.length = 0 THEN
            DELETE FROM omnia.sessions WHERE key = it.key;
        END IF;
        RETURN;
    END IF;
    new_length := expected + cardinality(records);
    UPDATE omnia.sessions
    SET length = greatest(it.length, new_length), expires_at = clock_timestamp() + ttl,
        checkpoint = CASE WHEN it.length = expected THEN NULL ELSE checkpoint END
    WHERE key = it.key;
END $$;

-- Begins the time to live anew and returns the records: those of the messages, and last the checkpoint or NULL.
-- Nobody waits for the disk: what is lost when the database dies is a later expiry.
CREATE FUNCTION omnia.load(its_namespace text, its_agent text, its_id text, ttl interval) RETURNS SETOF bytea
LANGUAGE plpgsql AS $$
DECLARE
    it omnia.sessions%ROWTYPE;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE omnia.sessions SET expires_at = clock_timestamp() + ttl
    WHERE namespace = its_namespace AND agent = its_agent AND id = its_id AND expires_at > clock_timestamp()
    RETURNING * INTO it;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- No more than the length that is locked here: the checkpoint follows exactly these.
    RETURN QUERY SELECT record FROM omnia.messages
        WHERE session = it.key AND position < it.length ORDER BY position;
    RETURN NEXT it.checkpoint;
END $$;

-- Replaces the checkpoint, unless the session has another length by now.
CREATE FUNCTION omnia.checkpoint(
    its_namespace text, its_agent text, its_id text, ttl interval, expected integer, records bytea
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE omnia.sessions SET checkpoint = records, expires_at = clock_timestamp() + ttl
    WHERE namespace = its_namespace AND agent = its_agent AND id = its_id AND length = expected
        AND expires_at > clock_timestamp();
END $$;

-- Deletes some sessions that have expired and returns how many. Several sweepers do not wait for each other.
CREATE FUNCTION omnia.sweep(batch integer) RETURNS bigint LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM omnia.sessions WHERE key IN (
            SELECT key FROM omnia.sessions WHERE expires_at <= clock_timestamp()
            ORDER BY expires_at LIMIT batch FOR UPDATE SKIP LOCKED
        ) RETURNING key
    )
    SELECT count(*) FROM gone
$$;
