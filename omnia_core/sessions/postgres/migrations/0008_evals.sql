-- Results of evaluations: of each session, turn, evaluation and source one. Nothing has written any before.

ALTER TABLE omnia.eval_results
    ADD COLUMN type text NOT NULL DEFAULT '',
    ADD COLUMN trigger text NOT NULL DEFAULT '',
    ADD COLUMN outcome text NOT NULL DEFAULT '',
    ADD COLUMN threshold text NOT NULL DEFAULT '',
    ADD COLUMN error text NOT NULL DEFAULT '',
    ADD COLUMN cost_usd double precision NOT NULL DEFAULT 0,
    ADD COLUMN judge_model text NOT NULL DEFAULT '',
    ADD COLUMN duration_ms double precision NOT NULL DEFAULT 0,
    ADD COLUMN variant text NOT NULL DEFAULT '',
    ADD COLUMN pack_version text NOT NULL DEFAULT '';

CREATE UNIQUE INDEX eval_results_one ON omnia.eval_results (session, turn, evaluation, source);
-- Results come in the order of their times, so that a few pages of this index tell where to look.
CREATE INDEX eval_results_at ON omnia.eval_results USING brin (at);

-- Adds calls to the sums of the day. It comes last in a transaction, because others wait for these rows.
CREATE FUNCTION omnia.add_daily_calls(its_namespace text, its_agent text, its_slot smallint, daily jsonb) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO omnia.daily_calls AS d (
        namespace, day, agent, slot, provider, model, calls, errors, input_tokens, output_tokens, cached_tokens,
        cost_usd, buckets
    )
    SELECT its_namespace, (clock_timestamp() AT TIME ZONE 'UTC')::date, its_agent, its_slot, provider, model, calls,
        errors, input_tokens, output_tokens, cached_tokens, cost_usd, buckets
    FROM jsonb_to_recordset(daily) AS each (
        provider text, model text, calls bigint, errors bigint, input_tokens bigint, output_tokens bigint,
        cached_tokens bigint, cost_usd double precision, buckets integer[]
    )
    ON CONFLICT (namespace, day, agent, provider, model, slot) DO UPDATE
    SET calls = d.calls + excluded.calls, errors = d.errors + excluded.errors,
        input_tokens = d.input_tokens + excluded.input_tokens,
        output_tokens = d.output_tokens + excluded.output_tokens,
        cached_tokens = d.cached_tokens + excluded.cached_tokens, cost_usd = d.cost_usd + excluded.cost_usd,
        buckets = omnia.added(d.buckets, excluded.buckets)
$$;

-- Keeps results of sessions of an agent and returns how many are new. If any is, `daily` is added to the sums of the
-- day. A session that ended may have a younger one with its id: that one is meant.
CREATE FUNCTION omnia.add_eval_results(its_namespace text, its_agent text, results jsonb, daily jsonb)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    added integer;
BEGIN
    INSERT INTO omnia.eval_results (
        session, turn, at, evaluation, type, trigger, source, outcome, score, passed, threshold, explanation, error,
        cost_usd, judge_model, duration_ms, variant, pack_version
    )
    SELECT it.key, turn, at, evaluation, type, trigger, source, outcome, score, passed, threshold, explanation, error,
        cost_usd, judge_model, duration_ms, variant, pack_version
    FROM jsonb_to_recordset(results) AS each (
        session text, turn integer, at timestamptz, evaluation text, type text, trigger text, source text,
        outcome text, score double precision, passed boolean, threshold text, explanation text, error text,
        cost_usd double precision, judge_model text, duration_ms double precision, variant text, pack_version text
    )
    CROSS JOIN LATERAL (
        SELECT s.key FROM omnia.sessions AS s
        WHERE s.namespace = its_namespace AND s.agent = its_agent AND s.id = each.session
        ORDER BY s.ended, s.begun_at DESC LIMIT 1 FOR KEY SHARE
    ) AS it
    ORDER BY it.key, turn, evaluation, source
    ON CONFLICT (session, turn, evaluation, source) DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF added > 0 THEN
        PERFORM omnia.add_daily_calls(its_namespace, its_agent, 0::smallint, daily);
    END IF;
    RETURN added;
END $$;
