-- Agents that people use: parked tasks, nothing to do, whose a conversation is, and what models cost.
--
-- SQLite cannot change a CHECK, so the table of tasks is made anew. Whose conversations the old ones were is not known:
-- no task goes on with one. Foreign keys are not looked at while this runs, and checked afterwards.

CREATE TABLE task_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    key TEXT NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 256),
    subject TEXT,
    repository TEXT NOT NULL,
    branch TEXT NOT NULL,

    state TEXT NOT NULL CHECK (state IN
        ('queued', 'running', 'publishing', 'in-review', 'waiting', 'done', 'failed', 'cancelled')),
    run INTEGER NOT NULL DEFAULT 0 CHECK (run >= 0),
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    purpose TEXT NOT NULL DEFAULT 'execute' CHECK (purpose IN ('execute', 'feedback')),
    due INTEGER,
    queued TEXT CHECK (queued IN ('new', 'retry', 'interrupted', 'feedback', 'limited')),
    step TEXT CHECK (step IN ('prepare', 'execute', 'collect', 'verify')),
    cancel INTEGER CHECK (cancel IN (0, 1)),
    waits_on TEXT CHECK (waits_on IN ('start', 'approval', 'operator', 'confirmation')),
    outcome TEXT CHECK (outcome IN ('change', 'answer', 'nothing-to-do')),
    failure TEXT,
    failure_text TEXT,
    note TEXT NOT NULL DEFAULT '',

    score REAL NOT NULL DEFAULT 0,
    score_reason TEXT NOT NULL DEFAULT '',
    score_generation INTEGER NOT NULL DEFAULT -1,
    -- How many known dependencies are not done yet.
    blocked INTEGER NOT NULL DEFAULT 0 CHECK (blocked >= 0),
    -- May be claimed: queued, due and not blocked.
    ready INTEGER NOT NULL DEFAULT 0 CHECK (ready = 0 OR (ready = 1 AND state = 'queued' AND blocked = 0)),
    -- Its change is open at the forge.
    has_change INTEGER NOT NULL DEFAULT 0 CHECK (has_change IN (0, 1)),

    -- The conversation that a later run may go on with, and whose it is.
    session TEXT,
    session_agent TEXT,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    waiting_since INTEGER NOT NULL,
    ended_at INTEGER,

    UNIQUE (source, key),
    CHECK ((state = 'queued') = (due IS NOT NULL)),
    CHECK ((state = 'queued') = (queued IS NOT NULL)),
    CHECK ((state = 'running') = (step IS NOT NULL)),
    CHECK ((state = 'running') = (cancel IS NOT NULL)),
    CHECK ((state = 'waiting') = (waits_on IS NOT NULL)),
    CHECK ((state = 'done') = (outcome IS NOT NULL)),
    CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CHECK ((state = 'failed') = (failure_text IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK ((session IS NULL) = (session_agent IS NULL)),
    CHECK (run > 0 OR state IN ('queued', 'cancelled') OR waits_on IS 'start')
) STRICT;

INSERT INTO task_new (
    id, source, key, subject, repository, branch, state, run, failures, purpose, due, queued, step, cancel,
    waits_on, outcome, failure, failure_text, note, score, score_reason, score_generation, blocked, ready,
    has_change, created_at, changed_at, waiting_since, ended_at
)
SELECT
    id, source, key, subject, repository, branch, state, run, failures, purpose, due, queued, step, cancel,
    waits_on, outcome, failure, failure_text, note, score, score_reason, score_generation, blocked, ready,
    has_change, created_at, changed_at, waiting_since, ended_at
FROM task;
DROP TABLE task;
ALTER TABLE task_new RENAME TO task;

-- At most one open task is about a subject.
CREATE UNIQUE INDEX task_subject ON task (subject)
    WHERE subject IS NOT NULL AND state IN ('queued', 'running', 'publishing', 'in-review', 'waiting');
-- What a claim reads: per repository, tasks with and without an open change, the best one first.
CREATE INDEX task_ready ON task (repository, has_change, score DESC, waiting_since, id) WHERE ready = 1;
-- What `stage` reads: what becomes ready by time alone.
CREATE INDEX task_due ON task (due) WHERE state = 'queued' AND ready = 0 AND blocked = 0;
-- Changes in review: those at the forge, also while their task is being worked on again.
CREATE INDEX task_reviewed ON task (repository)
    WHERE state IN ('publishing', 'in-review') OR (has_change = 1 AND state IN ('queued', 'running', 'waiting'));
CREATE INDEX task_unranked ON task (score_generation) WHERE state = 'queued' OR waits_on = 'start';
CREATE INDEX task_state ON task (state);
-- What a source may withdraw.
CREATE INDEX task_withdrawable ON task (source, key) WHERE state IN ('queued', 'waiting');

CREATE TRIGGER task_run_grows BEFORE UPDATE OF run ON task
WHEN new.run <> old.run AND (new.run <> old.run + 1 OR new.state <> 'running')
BEGIN
    SELECT RAISE(ABORT, 'a run number grows by one, with a claim');
END;

-- What calls of models cost, as agentd itself metered them. `complete`: the provider said what was used; otherwise it
-- is an estimate.
CREATE TABLE model_call (
    id INTEGER PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES task (id),
    run INTEGER NOT NULL CHECK (run > 0),
    at INTEGER NOT NULL,
    account TEXT NOT NULL,
    model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL CHECK (input_tokens >= 0),
    output_tokens INTEGER NOT NULL CHECK (output_tokens >= 0),
    cache_read_tokens INTEGER NOT NULL CHECK (cache_read_tokens >= 0),
    cache_write_tokens INTEGER NOT NULL CHECK (cache_write_tokens >= 0),
    cost_microusd INTEGER NOT NULL CHECK (cost_microusd >= 0),
    complete INTEGER NOT NULL CHECK (complete IN (0, 1))
) STRICT;
CREATE INDEX model_call_task ON model_call (task, run, cost_microusd);
CREATE INDEX model_call_at ON model_call (at, cost_microusd);
