-- Whether a person chose the name of a session: no other name replaces it then.
ALTER TABLE sessions ADD COLUMN name_given INTEGER NOT NULL DEFAULT 0;
