-- Milliseconds until the first text of an answer; NULL of an answer without text, and of calls before this file.
ALTER TABLE provider_calls ADD COLUMN first_word_ms REAL;
