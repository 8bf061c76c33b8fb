-- What a session is about, for people; '' while it has no name. Functions of earlier versions neither read nor change it.
ALTER TABLE omnia.sessions ADD COLUMN name text NOT NULL DEFAULT '';

-- Names a session that still has the expected name, and keeps the trail of the naming either way: it was paid for. A
-- call that is sent again because its answer was lost finds the new name and changes nothing.
CREATE FUNCTION omnia.rename(
    its_namespace text, its_agent text, its_id text, its_name text, expected_name text, trail jsonb
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    it omnia.sessions%ROWTYPE;
BEGIN
    SELECT * INTO it FROM omnia.sessions AS s
    WHERE s.namespace = its_namespace AND s.agent = its_agent AND s.id = its_id AND NOT s.ended FOR UPDATE;
    IF NOT FOUND OR it.expires_at <= clock_timestamp() THEN
        RETURN false;
    END IF;
    IF it.name <> expected_name AND it.name = its_name THEN
        RETURN true;
    END IF;
    IF trail IS NOT NULL THEN
        PERFORM omnia.keep_trail(it, trail);
    END IF;
    IF it.name <> expected_name THEN
        RETURN false;
    END IF;
    UPDATE omnia.sessions SET name = its_name WHERE key = it.key;
    RETURN true;
END $$;
