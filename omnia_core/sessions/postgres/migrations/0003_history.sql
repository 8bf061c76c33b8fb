-- What happened beside the messages, and what it adds up to: for a session, and for each day of an agent.

ALTER TABLE omnia.sessions
    ADD COLUMN tag text NOT NULL DEFAULT 'agent',
    ADD COLUMN user_id text NOT NULL DEFAULT '',
    ADD COLUMN status text NOT NULL DEFAULT 'completed',
    ADD COLUMN active_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN turns integer NOT NULL DEFAULT 0,
    ADD COLUMN tool_calls integer NOT NULL DEFAULT 0,
    ADD COLUMN provider_calls integer NOT NULL DEFAULT 0,
    ADD COLUMN provider_errors integer NOT NULL DEFAULT 0,
    ADD COLUMN input_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN output_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN cached_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN cost_usd double precision NOT NULL DEFAULT 0;

CREATE INDEX sessions_id ON omnia.sessions (namespace, id);
-- A list is ordered by when sessions began, which never changes: pages do not shift while they are read.
CREATE INDEX sessions_begun ON omnia.sessions (namespace, begun_at, key);
CREATE INDEX sessions_begun_agent ON omnia.sessions (namespace, agent, begun_at, key);
CREATE INDEX sessions_begun_tag ON omnia.sessions (namespace, tag, begun_at, key);
CREATE INDEX sessions_begun_user ON omnia.sessions (namespace, user_id, begun_at, key) WHERE user_id <> '';
CREATE INDEX sessions_begun_status ON omnia.sessions (namespace, status, begun_at, key) WHERE status <> 'completed';

CREATE TABLE omnia.provider_calls (
    session bigint NOT NULL REFERENCES omnia.sessions (key) ON DELETE CASCADE,
    number bigint GENERATED ALWAYS AS IDENTITY,
    turn integer NOT NULL,
    began_at timestamptz NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    status text NOT NULL,
    fault text NOT NULL,
    attempt integer NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    cost_usd double precision NOT NULL,
    duration_ms double precision NOT NULL,
    PRIMARY KEY (session, number)
);

CREATE TABLE omnia.tool_calls (
    session bigint NOT NULL REFERENCES omnia.sessions (key) ON DELETE CASCADE,
    number bigint GENERATED ALWAYS AS IDENTITY,
    turn integer NOT NULL,
    began_at timestamptz NOT NULL,
    call_id text NOT NULL,
    name text NOT NULL,
    handler text NOT NULL,
    arguments text NOT NULL,
    status text NOT NULL,
    duration_ms double precision NOT NULL,
    PRIMARY KEY (session, number)
);

CREATE TABLE omnia.runtime_events (
    session bigint NOT NULL REFERENCES omnia.sessions (key) ON DELETE CASCADE,
    number bigint GENERATED ALWAYS AS IDENTITY,
    turn integer NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (session, number)
);

CREATE TABLE omnia.eval_results (
    session bigint NOT NULL REFERENCES omnia.sessions (key) ON DELETE CASCADE,
    number bigint GENERATED ALWAYS AS IDENTITY,
    turn integer NOT NULL,
    at timestamptz NOT NULL,
    evaluation text NOT NULL,
    source text NOT NULL,
    score double precision,
    passed boolean,
    explanation text NOT NULL,
    PRIMARY KEY (session, number)
);

-- Of each day (UTC) and agent two rows, by session, so that turns that end at once wait less for each other.
CREATE TABLE omnia.daily_turns (
    namespace text NOT NULL,
    day date NOT NULL,
    agent text NOT NULL,
    slot smallint NOT NULL,
    turns bigint NOT NULL,
    errors bigint NOT NULL,
    -- counts of latencies; their bounds are the program's
    buckets integer[] NOT NULL,
    PRIMARY KEY (namespace, day, agent, slot)
);

CREATE TABLE omnia.daily_calls (
    namespace text NOT NULL,
    day date NOT NULL,
    agent text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    slot smallint NOT NULL,
    calls bigint NOT NULL,
    errors bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    cost_usd double precision NOT NULL,
    buckets integer[] NOT NULL,
    PRIMARY KEY (namespace, day, agent, provider, model, slot)
);

CREATE FUNCTION omnia.added(one integer[], other integer[]) RETURNS integer[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(each.a + each.b ORDER BY each.number)
    FROM unnest(one, other) WITH ORDINALITY AS each (a, b, number)
$$;

-- Writes what happened in a turn of a session, whose row the caller has locked.
CREATE FUNCTION omnia.keep_trail(it omnia.sessions, trail jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    this_turn integer := it.turns + (trail->>'turns')::integer;
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
BEGIN
    INSERT INTO omnia.tool_calls (session, turn, began_at, call_id, name, handler, arguments, status, duration_ms)
    SELECT it.key, this_turn, began_at, call_id, name, handler, arguments, status, duration_ms
    FROM jsonb_to_recordset(trail->'tool_calls') AS each (
        began_at timestamptz, call_id text, name text, handler text, arguments text, status text,
        duration_ms double precision
    );
    INSERT INTO omnia.provider_calls (
        session, turn, began_at, provider, model, status, fault, attempt, input_tokens, output_tokens, cached_tokens,
        cost_usd, duration_ms
    )
    SELECT it.key, this_turn, began_at, provider, model, status, fault, attempt, input_tokens, output_tokens,
        cached_tokens, cost_usd, duration_ms
    FROM jsonb_to_recordset(trail->'provider_calls') AS each (
        began_at timestamptz, provider text, model text, status text, fault text, attempt integer,
        input_tokens bigint, output_tokens bigint, cached_tokens bigint, cost_usd double precision,
        duration_ms double precision
    );
    INSERT INTO omnia.runtime_events (session, turn, at, kind, detail)
    SELECT it.key, this_turn, at, kind, detail
    FROM jsonb_to_recordset(trail->'events') AS each (at timestamptz, kind text, detail text);

    UPDATE omnia.sessions AS s
    SET tag = trail->>'tag', status = coalesce(trail->>'status', s.status), turns = this_turn,
        tool_calls = s.tool_calls + jsonb_array_length(trail->'tool_calls'),
        provider_calls = s.provider_calls + jsonb_array_length(trail->'provider_calls'),
        provider_errors = s.provider_errors + total.errors,
        input_tokens = s.input_tokens + total.input, output_tokens = s.output_tokens + total.output,
        cached_tokens = s.cached_tokens + total.cached, cost_usd = s.cost_usd + total.cost
    FROM (
        SELECT coalesce(sum(errors), 0) AS errors, coalesce(sum(input_tokens), 0) AS input,
            coalesce(sum(output_tokens), 0) AS output, coalesce(sum(cached_tokens), 0) AS cached,
            coalesce(sum(cost_usd), 0) AS cost
        FROM jsonb_to_recordset(trail->'daily') AS each (
            errors bigint, input_tokens bigint, output_tokens bigint, cached_tokens bigint, cost_usd double precision
        )
    ) AS total
    WHERE s.key = it.key;

    -- Last, because other turns of the day wait for these rows.
    INSERT INTO omnia.daily_calls AS d (
        namespace, day, agent, slot, provider, model, calls, errors, input_tokens, output_tokens, cached_tokens,
        cost_usd, buckets
    )
    SELECT it.namespace, today, it.agent, it.key % 2, provider, model, calls, errors, input_tokens, output_tokens,
        cached_tokens, cost_usd, buckets
    FROM jsonb_to_recordset(trail->'daily') AS each (
        provider text, model text, calls bigint, errors bigint, input_tokens bigint, output_tokens bigint,
        cached_tokens bigint, cost_usd double precision, buckets integer[]
    )
    ON CONFLICT (namespace, day, agent, provider, model, slot) DO UPDATE
    SET calls = d.calls + excluded.calls, errors = d.errors + excluded.errors,
        input_tokens = d.input_tokens + excluded.input_tokens,
        output_tokens = d.output_tokens + excluded.output_tokens,
        cached_tokens = d.cached_tokens + excluded.cached_tokens, cost_usd = d.cost_usd + excluded.cost_usd,
        buckets = omnia.added(d.buckets, excluded.buckets);

    INSERT INTO omnia.daily_turns AS d (namespace, day, agent, slot, turns, errors, buckets)
    SELECT it.namespace, today, it.agent, it.key % 2, 1, errors, buckets
    FROM jsonb_to_record(nullif(trail->'turn', 'null')) AS each (errors bigint, buckets integer[])
    WHERE each.buckets IS NOT NULL
    ON CONFLICT (namespace, day, agent, slot) DO UPDATE
    SET turns = d.turns + 1, errors = d.errors + excluded.errors, buckets = omnia.added(d.buckets, excluded.buckets);
END $$;

-- Appends all records and the trail, or nothing. An append that is sent again because its answer was lost changes
-- nothing.
CREATE FUNCTION omnia.append_turn(
    its_namespace text, its_agent text, its_id text, ttl interval, append_id uuid, expected integer,
    roles text[], pack_versions text[], records bytea[], its_user text, trail jsonb,
    OUT appended boolean, OUT new_length integer
) LANGUAGE plpgsql AS $$
DECLARE
    it omnia.sessions%ROWTYPE;
    fresh boolean;
BEGIN
    -- The update changes nothing: it locks a row that is there, and sees it as it is now.
    INSERT INTO omnia.sessions AS s (namespace, agent, id, expires_at)
    VALUES (its_namespace, its_agent, its_id, clock_timestamp() + ttl)
    ON CONFLICT (namespace, agent, id) DO UPDATE SET length = s.length
    RETURNING s.* INTO it;

    IF it.expires_at <= clock_timestamp() THEN
        DELETE FROM omnia.sessions WHERE key = it.key;
        INSERT INTO omnia.sessions (namespace, agent, id, expires_at)
        VALUES (its_namespace, its_agent, its_id, clock_timestamp() + ttl)
        RETURNING * INTO it;
    END IF;

    fresh := it.length = expected;
    appended := fresh OR EXISTS (
        SELECT FROM omnia.messages WHERE session = it.key AND position = expected AND append = append_id
    );
    IF NOT appended THEN
        new_length := it.length;
        IF it.length = 0 THEN
            DELETE FROM omnia.sessions WHERE key = it.key;
        END IF;
        RETURN;
    END IF;
    new_length := expected + cardinality(records);
    IF fresh THEN
        INSERT INTO omnia.messages (session, position, append, role, pack_version, record)
        SELECT it.key, expected + each.number - 1, append_id, each.role, each.pack_version, each.record
        FROM unnest(roles, pack_versions, records) WITH ORDINALITY AS each (role, pack_version, record, number);
    END IF;
    UPDATE omnia.sessions
    SET length = greatest(it.length, new_length), expires_at = clock_timestamp() + ttl, active_at = clock_timestamp(),
        checkpoint = CASE WHEN fresh THEN NULL ELSE checkpoint END,
        user_id = CASE WHEN expected = 0 THEN its_user ELSE user_id END
    WHERE key = it.key;
    IF fresh AND trail IS NOT NULL THEN
        PERFORM omnia.keep_trail(it, trail);
    END IF;
END $$;

-- For pods of the version before, while pods roll.
CREATE OR REPLACE FUNCTION omnia.append(
    its_namespace text, its_agent text, its_id text, ttl interval, append_id uuid, expected integer,
    roles text[], pack_versions text[], records bytea[], OUT appended boolean, OUT new_length integer
) LANGUAGE sql AS $$
    SELECT * FROM omnia.append_turn(
        its_namespace, its_agent, its_id, ttl, append_id, expected, roles, pack_versions, records, '', NULL
    )
$$;
