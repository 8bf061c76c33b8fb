-- What callers of functions were answered, so that a repeated call gets the first answer again.
--
-- A row without a reply is held by a call that is being answered, until its lease is over.

CREATE TABLE omnia.replies (
    namespace text NOT NULL,
    agent text NOT NULL,
    -- SHA-256 of who asked and of their key
    scope bytea NOT NULL,
    -- SHA-256 of what was asked
    fingerprint bytea NOT NULL,
    holder text NOT NULL,
    reply bytea,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (namespace, agent, scope)
);

CREATE INDEX replies_expiry ON omnia.replies (expires_at);

-- Takes a free scope and returns no row, or returns what stands there. A claim that is sent again because its answer
-- was lost is the holder's own.
CREATE FUNCTION omnia.claim_reply(
    its_namespace text, its_agent text, its_scope bytea, its_fingerprint bytea, its_holder text, lease interval
) RETURNS TABLE (standing_fingerprint bytea, standing_reply bytea) LANGUAGE plpgsql AS $$
DECLARE
    it omnia.replies%ROWTYPE;
BEGIN
    -- The update changes nothing: it locks a row that is there, and sees it as it is now.
    INSERT INTO omnia.replies AS r (namespace, agent, scope, fingerprint, holder, expires_at)
    VALUES (its_namespace, its_agent, its_scope, its_fingerprint, its_holder, clock_timestamp() + lease)
    ON CONFLICT (namespace, agent, scope) DO UPDATE SET holder = r.holder
    RETURNING r.* INTO it;

    IF it.holder = its_holder THEN
        RETURN;
    END IF;
    IF it.expires_at <= clock_timestamp() THEN
        UPDATE omnia.replies
        SET fingerprint = its_fingerprint, holder = its_holder, reply = NULL, expires_at = clock_timestamp() + lease
        WHERE namespace = its_namespace AND agent = its_agent AND scope = its_scope;
        RETURN;
    END IF;
    RETURN QUERY SELECT it.fingerprint, it.reply;
END $$;

-- Keeps the reply, unless the scope has another holder by now.
CREATE FUNCTION omnia.keep_reply(
    its_namespace text, its_agent text, its_scope bytea, its_holder text, its_reply bytea, ttl interval
) RETURNS void LANGUAGE sql AS $$
    UPDATE omnia.replies SET reply = its_reply, expires_at = clock_timestamp() + ttl
    WHERE namespace = its_namespace AND agent = its_agent AND scope = its_scope AND holder = its_holder
$$;

-- Frees a scope that has no reply yet, unless it has another holder by now.
CREATE FUNCTION omnia.release_reply(
    its_namespace text, its_agent text, its_scope bytea, its_holder text
) RETURNS void LANGUAGE sql AS $$
    DELETE FROM omnia.replies
    WHERE namespace = its_namespace AND agent = its_agent AND scope = its_scope AND holder = its_holder
        AND reply IS NULL
$$;

-- Deletes some replies that have expired and returns how many. Several sweepers do not wait for each other.
CREATE FUNCTION omnia.sweep_replies(batch integer) RETURNS bigint LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM omnia.replies WHERE (namespace, agent, scope) IN (
            SELECT namespace, agent, scope FROM omnia.replies WHERE expires_at <= clock_timestamp()
            ORDER BY expires_at LIMIT batch FOR UPDATE SKIP LOCKED
        ) RETURNING scope
    )
    SELECT count(*) FROM gone
$$;
