-- Milliseconds until the first text of an answer; NULL of an answer without text, and of calls that pods of earlier
-- versions made, which use the function below too.
ALTER TABLE omnia.provider_calls ADD COLUMN first_word_ms double precision;

-- Writes what happened in a turn of a session, whose row the caller has locked.
CREATE OR REPLACE FUNCTION omnia.keep_trail(it omnia.sessions, trail jsonb) RETURNS void LANGUAGE plpgsql AS $$
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
        cost_usd, duration_ms, first_word_ms
    )
    SELECT it.key, this_turn, began_at, provider, model, status, fault, attempt, input_tokens, output_tokens,
        cached_tokens, cost_usd, duration_ms, first_word_ms
    FROM jsonb_to_recordset(trail->'provider_calls') AS each (
        began_at timestamptz, provider text, model text, status text, fault text, attempt integer,
        input_tokens bigint, output_tokens bigint, cached_tokens bigint, cost_usd double precision,
        duration_ms double precision, first_word_ms double precision
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
    PERFORM omnia.add_daily_calls(it.namespace, it.agent, (it.key % 2)::smallint, trail->'daily');

    INSERT INTO omnia.daily_turns AS d (namespace, day, agent, slot, turns, errors, buckets)
    SELECT it.namespace, today, it.agent, it.key % 2, 1, errors, buckets
    FROM jsonb_to_record(nullif(trail->'turn', 'null')) AS each (errors bigint, buckets integer[])
    WHERE each.buckets IS NOT NULL
    ON CONFLICT (namespace, day, agent, slot) DO UPDATE
    SET turns = d.turns + 1, errors = d.errors + excluded.errors, buckets = omnia.added(d.buckets, excluded.buckets);
END $$;
