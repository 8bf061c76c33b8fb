-- Results of evaluations: of each session, turn, evaluation and source one. Nothing has written any before.

DROP TABLE eval_results;

CREATE TABLE eval_results (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
    turn INTEGER NOT NULL,
    at TEXT NOT NULL,
    evaluation TEXT NOT NULL,
    type TEXT NOT NULL,
    trigger TEXT NOT NULL,
    source TEXT NOT NULL,
    outcome TEXT NOT NULL,
    score REAL,
    passed INTEGER,
    threshold TEXT NOT NULL,
    explanation TEXT NOT NULL,
    error TEXT NOT NULL,
    cost_usd REAL NOT NULL,
    judge_model TEXT NOT NULL,
    duration_ms REAL NOT NULL,
    variant TEXT NOT NULL,
    pack_version TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX eval_results_one ON eval_results (session, turn, evaluation, source);
CREATE INDEX eval_results_at ON eval_results (at);
