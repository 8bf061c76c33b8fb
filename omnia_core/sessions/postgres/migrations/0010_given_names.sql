-- Whether a person chose the name of a session: no other name replaces it then. Pods of earlier versions call the
-- function below too.
ALTER TABLE omnia.sessions ADD COLUMN name_given boolean NOT NULL DEFAULT false;

CREATE OR REPLACE FUNCTION omnia.rename(
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
    IF it.name <> expected_name AND it.name = its_name AND NOT it.name_given THEN
        RETURN true;
    END IF;
    IF trail IS NOT NULL THEN
        PERFORM omnia.keep_trail(it, trail);
    END IF;
    IF it.name <> expected_name OR it.name_given THEN
        RETURN false;
    END IF;
    UPDATE omnia.sessions SET name = its_name WHERE key = it.key;
    RETURN true;
END $$;
