-- An id that has ended is free: sessions_open is what says so.
--
-- A file of its own: a call of the version before 0004 that waited for it still names these columns alone as what is
-- unique.

ALTER TABLE omnia.sessions DROP CONSTRAINT sessions_namespace_agent_id_key;
