-- How long what is kept of a session outlives its end, how many of its messages are kept, and what policies on trial
-- would do.
--
-- Nothing here writes rows that are there: a database may have millions.

ALTER TABLE omnia.sessions
    -- its last use, from which everything below counts; NULL in rows that no function of this file has touched
    ADD COLUMN used_at timestamptz,
    -- what is kept is deleted then, unless the session ends later; NULL: when it ends
    ADD COLUMN kept_until timestamptz,
    -- whether its end was noticed: its id is free again
    ADD COLUMN ended boolean NOT NULL DEFAULT false,
    -- the position of the first message that is kept, and how many turns were before it
    ADD COLUMN first_position integer NOT NULL DEFAULT 0,
    ADD COLUMN first_turn integer NOT NULL DEFAULT 0,
    -- what the first message of all said, once that is deleted
    ADD COLUMN begun_with text NOT NULL DEFAULT '',
    -- what a policy on trial would have done since the last use: 1 ended the session, 2 deleted it
    ADD COLUMN trial_stage smallint NOT NULL DEFAULT 0,
    -- the position of the first message that a policy on trial would have kept
    ADD COLUMN trial_position integer NOT NULL DEFAULT 0;

-- A session is found by its id until it has ended. Each row is in one of the two indexes of what is over.
CREATE UNIQUE INDEX sessions_open ON omnia.sessions (namespace, agent, id) WHERE NOT ended;
DROP INDEX omnia.sessions_expiry;
CREATE INDEX sessions_expiry ON omnia.sessions (expires_at) WHERE NOT ended;
CREATE INDEX sessions_kept ON omnia.sessions (greatest(expires_at, kept_until)) WHERE ended;

-- Until when a session is kept that is used now. `keep` is NULL for who knows no policy: the row's own is followed.
CREATE FUNCTION omnia.kept(now timestamptz, keep interval, was omnia.sessions) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT now + nullif(coalesce(keep, was.kept_until - was.used_at), interval '0')
$$;

-- What a policy on trial would have done to a session until now.
CREATE FUNCTION omnia.stage(now timestamptz, trial_ttl interval, trial_keep interval, was omnia.sessions)
RETURNS smallint LANGUAGE sql STABLE AS $$
    SELECT (CASE
        WHEN coalesce(was.used_at, was.active_at) + trial_keep <= now THEN 2
        WHEN coalesce(was.used_at, was.active_at) + trial_ttl <= now THEN 1
        ELSE 0
    END)::smallint
$$;

-- The position from which on messages are kept, of which there may be `most`: where a turn begins, and be it the last
-- one, which is never cut.
CREATE FUNCTION omnia.first_kept(its_key bigint, its_length integer, most integer) RETURNS integer
LANGUAGE sql AS $$
    SELECT coalesce((
        SELECT position FROM omnia.messages
        WHERE session = its_key AND position >= its_length - most AND role = 'user' ORDER BY position LIMIT 1
    ), (
        SELECT position FROM omnia.messages WHERE session = its_key AND role = 'user' ORDER BY position DESC LIMIT 1
    ), 0)
$$;

-- Appends all records and the trail, or nothing. An append that is sent again because its answer was lost changes
-- nothing.
--
-- `keep` as in omnia.kept; `most` messages are kept, NULL: all. A policy on trial would have these as trial_…, NULL
-- without one. `effects`: sessions that ended, sessions and messages that were deleted; the same three of the trial.
CREATE FUNCTION omnia.append_turn(
    its_namespace text, its_agent text, its_id text, ttl interval, keep interval, most integer,
    trial_ttl interval, trial_keep interval, trial_most integer, append_id uuid, expected integer,
    roles text[], pack_versions text[], records bytea[], its_user text, trail jsonb,
    OUT appended boolean, OUT new_length integer, OUT effects integer[]
) LANGUAGE plpgsql AS $$
DECLARE
    now timestamptz := clock_timestamp();
    it omnia.sessions%ROWTYPE;
    fresh boolean;
    gone integer;
    turns_gone integer;
    start integer;
    trial_start integer;
    begun text;
    begun_by text;
    stage smallint;
BEGIN
    effects := ARRAY[0, 0, 0, 0, 0, 0];
    -- The update changes nothing: it locks a row that is there, and sees it as it is now.
    INSERT INTO omnia.sessions AS s (namespace, agent, id, expires_at, used_at)
    VALUES (its_namespace, its_agent, its_id, now + ttl, now)
    ON CONFLICT (namespace, agent, id) WHERE NOT ended DO UPDATE SET length = s.length
    RETURNING s.* INTO it;

    IF it.expires_at <= now THEN
        effects[1] := 1;
        IF it.kept_until > now THEN
            UPDATE omnia.sessions SET ended = true WHERE key = it.key;
        ELSE
            DELETE FROM omnia.sessions WHERE key = it.key;
            effects[2] := 1;
        END IF;
        INSERT INTO omnia.sessions (namespace, agent, id, expires_at, used_at)
        VALUES (its_namespace, its_agent, its_id, now + ttl, now)
        RETURNING * INTO it;
    END IF;

    fresh := it.length = expected;
    appended := fresh OR EXISTS (
        SELECT FROM omnia.messages
        WHERE session = it.key AND position >= expected AND position < expected + cardinality(records)
            AND append = append_id
    );
    IF NOT appended THEN
        new_length := it.length;
        IF it.length = 0 THEN
            DELETE FROM omnia.sessions WHERE key = it.key;
        END IF;
        RETURN;
    END IF;
    new_length := expected + cardinality(records);
    start := it.first_position;
    turns_gone := 0;
    trial_start := it.trial_position;
    begun := it.begun_with;
    begun_by := it.user_id;
    IF expected = 0 THEN
        begun_by := its_user;
    END IF;
    IF fresh THEN
        INSERT INTO omnia.messages (session, position, append, role, pack_version, record)
        SELECT it.key, expected + each.number - 1, append_id, each.role, each.pack_version, each.record
        FROM unnest(roles, pack_versions, records) WITH ORDINALITY AS each (role, pack_version, record, number);
    END IF;
    -- The first append is one turn, be it that a function asked its model twice.
    IF fresh AND expected > 0 AND new_length - it.first_position > most THEN
        start := greatest(omnia.first_kept(it.key, new_length, most), start);
        IF it.first_position = 0 AND start > 0 THEN
            -- Rows of the first version have the user in the record alone.
            SELECT m.pack_version, coalesce(
                nullif(begun_by, ''), substring(convert_from(m.record, 'UTF8') FROM '"user_id":"([^"\\]+)"'), ''
            ) INTO begun, begun_by
            FROM omnia.messages AS m WHERE m.session = it.key AND m.position = 0;
        END IF;
        WITH deleted AS (
            DELETE FROM omnia.messages WHERE session = it.key AND position < start RETURNING role
        )
        SELECT count(*), count(*) FILTER (WHERE role = 'user') INTO gone, turns_gone FROM deleted;
        effects[3] := gone;
    END IF;
    IF fresh AND expected > 0 AND new_length - greatest(it.trial_position, start) > trial_most THEN
        trial_start := omnia.first_kept(it.key, new_length, trial_most);
        effects[6] := greatest(trial_start - greatest(it.trial_position, start), 0);
    END IF;
    stage := omnia.stage(now, trial_ttl, trial_keep, it);
    effects[4] := (stage > 0 AND it.trial_stage = 0)::integer;
    effects[5] := (stage = 2 AND it.trial_stage < 2)::integer;
    UPDATE omnia.sessions
    SET length = greatest(it.length, new_length), first_position = start, first_turn = it.first_turn + turns_gone,
        begun_with = begun, user_id = begun_by, expires_at = now + ttl, used_at = now,
        kept_until = omnia.kept(now, keep, it), active_at = now, trial_stage = 0, trial_position = trial_start,
        checkpoint = CASE WHEN fresh THEN NULL ELSE checkpoint END
    WHERE key = it.key;
    IF fresh AND trail IS NOT NULL THEN
        PERFORM omnia.keep_trail(it, trail);
    END IF;
END $$;

-- Begins the time to live anew and returns the session; every field is NULL when there is none.
-- Nobody waits for the disk: what is lost when the database dies is a later expiry.
CREATE FUNCTION omnia.load(
    its_namespace text, its_agent text, its_id text, ttl interval, keep interval,
    trial_ttl interval, trial_keep interval,
    OUT its_records bytea[], OUT its_checkpoint bytea, OUT its_first integer, OUT its_first_turn integer,
    OUT its_version text, OUT its_user text, OUT effects integer[]
) LANGUAGE plpgsql AS $$
DECLARE
    now timestamptz := clock_timestamp();
    it omnia.sessions%ROWTYPE;
    stage smallint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO it FROM omnia.sessions AS s
    WHERE s.namespace = its_namespace AND s.agent = its_agent AND s.id = its_id AND NOT s.ended FOR UPDATE;
    IF NOT FOUND OR it.expires_at <= now THEN
        RETURN;
    END IF;
    stage := omnia.stage(now, trial_ttl, trial_keep, it);
    effects := ARRAY[
        0, 0, 0, (stage > 0 AND it.trial_stage = 0)::integer, (stage = 2 AND it.trial_stage < 2)::integer, 0
    ];
    UPDATE omnia.sessions
    SET expires_at = now + ttl, used_at = now, kept_until = omnia.kept(now, keep, it), trial_stage = 0
    WHERE key = it.key;
    -- No more than the length that is locked here: the checkpoint follows exactly these.
    SELECT coalesce(array_agg(m.record ORDER BY m.position), '{}') INTO its_records FROM omnia.messages AS m
    WHERE m.session = it.key AND m.position < it.length;
    its_checkpoint := it.checkpoint;
    its_first := it.first_position;
    its_first_turn := it.first_turn;
    its_version := it.begun_with;
    its_user := it.user_id;
END $$;

-- Replaces the checkpoint, unless the session has another length by now.
CREATE FUNCTION omnia.checkpoint(
    its_namespace text, its_agent text, its_id text, ttl interval, keep interval, expected integer, records bytea
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    now timestamptz := clock_timestamp();
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE omnia.sessions AS s
    SET checkpoint = records, expires_at = now + ttl, used_at = now, kept_until = omnia.kept(now, keep, s),
        trial_stage = 0
    WHERE s.namespace = its_namespace AND s.agent = its_agent AND s.id = its_id AND s.length = expected
        AND s.expires_at > now AND NOT s.ended;
END $$;

-- Notices the end of some sessions, deletes some that are not to be kept any longer, and returns how many of both: at
-- most `batch` ended and twice as many deleted. Several sweepers do not wait for each other.
CREATE FUNCTION omnia.sweep_sessions(batch integer, OUT sessions_ended integer, OUT sessions_deleted integer)
LANGUAGE sql AS $$
    WITH over AS (
        SELECT key, greatest(expires_at, kept_until) <= now() AS due FROM omnia.sessions
        WHERE NOT ended AND expires_at <= now()
        ORDER BY expires_at LIMIT batch FOR UPDATE SKIP LOCKED
    ), closed AS (
        UPDATE omnia.sessions SET ended = true WHERE key IN (SELECT key FROM over WHERE NOT due)
    ), gone AS (
        DELETE FROM omnia.sessions WHERE key IN (SELECT key FROM over WHERE due)
    ), late AS (
        DELETE FROM omnia.sessions WHERE key IN (
            SELECT key FROM omnia.sessions
            WHERE ended AND greatest(expires_at, kept_until) <= now()
            ORDER BY greatest(expires_at, kept_until) LIMIT batch FOR UPDATE SKIP LOCKED
        ) RETURNING key
    )
    SELECT (SELECT count(*) FROM over)::integer,
        ((SELECT count(*) FROM over WHERE due) + (SELECT count(*) FROM late))::integer
$$;

-- The next `batch` sessions of an agent after one of them, in the order of their beginnings, and when the last one began.
CREATE FUNCTION omnia.sessions_after(
    its_namespace text, its_agent text, after_begun timestamptz, after_key bigint, batch integer,
    OUT keys bigint[], OUT last_begun timestamptz
) LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(each.key ORDER BY each.begun_at, each.key), '{}'), max(each.begun_at)
    FROM (
        SELECT s.key, s.begun_at FROM omnia.sessions AS s
        WHERE s.namespace = its_namespace AND s.agent = its_agent
            AND (s.begun_at, s.key) > (coalesce(after_begun, '-infinity'), after_key)
        ORDER BY s.begun_at, s.key LIMIT batch
    ) AS each
$$;

-- Gives sessions_after one the times that they would have if their last use had been under this policy. What has ended
-- stays so. Returns how many sessions there were, and the last one.
CREATE FUNCTION omnia.restamp(
    its_namespace text, its_agent text, ttl interval, keep interval, after_begun timestamptz, after_key bigint,
    batch integer, OUT seen integer, OUT last_begun timestamptz, OUT last_key bigint
) LANGUAGE plpgsql AS $$
DECLARE
    now timestamptz := clock_timestamp();
    page bigint[];
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO page, last_begun
    FROM omnia.sessions_after(its_namespace, its_agent, after_begun, after_key, batch);
    seen := cardinality(page);
    last_key := page[seen];
    WITH other AS (
        SELECT s.key, stamp.* FROM omnia.sessions AS s, LATERAL (
            SELECT coalesce(s.used_at, s.active_at) AS used,
                CASE
                    WHEN s.ended OR s.expires_at <= now THEN s.expires_at
                    ELSE coalesce(s.used_at, s.active_at) + ttl
                END AS expires,
                coalesce(s.used_at, s.active_at) + nullif(keep, interval '0') AS kept
        ) AS stamp
        WHERE s.key = ANY (page) AND (s.expires_at, s.kept_until) IS DISTINCT FROM (stamp.expires, stamp.kept)
        FOR UPDATE OF s SKIP LOCKED
    )
    UPDATE omnia.sessions AS s SET used_at = other.used, expires_at = other.expires, kept_until = other.kept
    FROM other WHERE s.key = other.key;
END $$;

-- Notes what a policy on trial would have done to sessions_after one that nobody used since. Returns how many sessions
-- there were, the last one, and how many it would have ended and deleted.
CREATE FUNCTION omnia.try_retention(
    its_namespace text, its_agent text, trial_ttl interval, trial_keep interval, after_begun timestamptz,
    after_key bigint, batch integer, OUT seen integer, OUT last_begun timestamptz, OUT last_key bigint,
    OUT sessions_ended integer, OUT sessions_deleted integer
) LANGUAGE plpgsql AS $$
DECLARE
    page bigint[];
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO page, last_begun
    FROM omnia.sessions_after(its_namespace, its_agent, after_begun, after_key, batch);
    seen := cardinality(page);
    last_key := page[seen];
    WITH reached AS (
        SELECT s.key, s.trial_stage, omnia.stage(now(), trial_ttl, trial_keep, s) AS stage FROM omnia.sessions AS s
        WHERE s.key = ANY (page) AND NOT s.ended AND s.expires_at > now()
            AND s.trial_stage < omnia.stage(now(), trial_ttl, trial_keep, s)
        FOR UPDATE SKIP LOCKED
    ), noted AS (
        UPDATE omnia.sessions AS s SET trial_stage = reached.stage FROM reached WHERE s.key = reached.key
    )
    SELECT count(*) FILTER (WHERE trial_stage = 0), count(*) FILTER (WHERE stage = 2)
    INTO sessions_ended, sessions_deleted FROM reached;
END $$;

-- For pods of the version before, while pods roll.

CREATE OR REPLACE FUNCTION omnia.append_turn(
    its_namespace text, its_agent text, its_id text, ttl interval, append_id uuid, expected integer,
    roles text[], pack_versions text[], records bytea[], its_user text, trail jsonb,
    OUT appended boolean, OUT new_length integer
) LANGUAGE sql AS $$
    SELECT appended, new_length FROM omnia.append_turn(
        its_namespace, its_agent, its_id, ttl, NULL, NULL, NULL, NULL, NULL, append_id, expected, roles, pack_versions,
        records, its_user, trail
    )
$$;

-- They take the number of the records for the length, and what the first one says for what the session began with: what
-- was deleted has a stand-in, which no model is shown.
CREATE OR REPLACE FUNCTION omnia.load(its_namespace text, its_agent text, its_id text, ttl interval)
RETURNS SETOF bytea LANGUAGE plpgsql AS $$
DECLARE
    it record;
BEGIN
    SELECT * INTO it FROM omnia.load(its_namespace, its_agent, its_id, ttl, NULL, NULL, NULL);
    IF it.its_records IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT convert_to(
        json_build_object('role', 'summary', 'pack_version', it.its_version, 'user_id', it.its_user)::text, 'UTF8'
    ) FROM generate_series(1, it.its_first);
    RETURN QUERY SELECT unnest(it.its_records);
    RETURN NEXT it.its_checkpoint;
END $$;

CREATE OR REPLACE FUNCTION omnia.checkpoint(
    its_namespace text, its_agent text, its_id text, ttl interval, expected integer, records bytea
) RETURNS void LANGUAGE sql AS $$
    SELECT omnia.checkpoint(its_namespace, its_agent, its_id, ttl, NULL, expected, records)
$$;

CREATE OR REPLACE FUNCTION omnia.sweep(batch integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT greatest(sessions_ended, sessions_deleted)::bigint FROM omnia.sweep_sessions(batch)
$$;
