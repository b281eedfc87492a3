-- The first schema. Its CHECKs and triggers repeat the rules of `agentd_task::Task::on`: a row that breaks them is
-- refused by the database itself, whoever writes it. Times are milliseconds since 1970.

-- Facts of the instance: `instance` (its id), `created` and `paused`.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Where each task stands. Narrow, since every step of a task rewrites its row: what people wrote is in `content`.
CREATE TABLE task (
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
    queued TEXT CHECK (queued IN ('new', 'retry', 'interrupted', 'feedback')),
    step TEXT CHECK (step IN ('prepare', 'execute', 'collect', 'verify')),
    cancel INTEGER CHECK (cancel IN (0, 1)),
    waits_on TEXT CHECK (waits_on IN ('start', 'approval', 'operator')),
    outcome TEXT CHECK (outcome IN ('change', 'answer')),
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

    session TEXT,
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
    CHECK (run > 0 OR state IN ('queued', 'cancelled') OR waits_on IS 'start')
) STRICT;

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

-- What the source said of a task, as it was taken over, and the agent's answer.
CREATE TABLE content (
    task INTEGER NOT NULL PRIMARY KEY REFERENCES task (id),
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    url TEXT,
    base TEXT,
    labels TEXT NOT NULL CHECK (json_type(labels) = 'array'),
    priority INTEGER,
    depends_on TEXT NOT NULL CHECK (json_type(depends_on) = 'array'),
    instructions TEXT,
    requested_by TEXT,
    requested_at INTEGER,
    agent TEXT,
    answer TEXT
) STRICT;

-- Which task waits for which. `needs` is null until a task of that key is known.
CREATE TABLE dependency (
    task INTEGER NOT NULL REFERENCES task (id),
    wanted TEXT NOT NULL,
    needs INTEGER REFERENCES task (id) CHECK (needs <> task),
    PRIMARY KEY (task, wanted)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependency_needs ON dependency (needs) WHERE needs IS NOT NULL;
CREATE INDEX dependency_unknown ON dependency (wanted) WHERE needs IS NULL;

-- Drafts that became a message to another task about the same subject.
CREATE TABLE joined (
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    task INTEGER NOT NULL REFERENCES task (id),
    draft TEXT NOT NULL,
    PRIMARY KEY (source, key)
) STRICT, WITHOUT ROWID;

-- Attempts. One is open exactly while its task runs.
CREATE TABLE run (
    task INTEGER NOT NULL REFERENCES task (id),
    number INTEGER NOT NULL CHECK (number > 0),
    purpose TEXT NOT NULL CHECK (purpose IN ('execute', 'feedback')),
    spool_offset INTEGER NOT NULL DEFAULT 0 CHECK (spool_offset >= 0),
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    outcome TEXT,
    PRIMARY KEY (task, number),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX run_open ON run (task) WHERE ended_at IS NULL;

CREATE TABLE step (
    task INTEGER NOT NULL,
    run INTEGER NOT NULL,
    name TEXT NOT NULL CHECK (name IN ('prepare', 'execute', 'collect', 'verify')),
    input_hash TEXT NOT NULL,
    output TEXT,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (task, run, name),
    FOREIGN KEY (task, run) REFERENCES run (task, number),
    CHECK ((output IS NULL) = (finished_at IS NULL))
) STRICT;

-- The log. Events read from a run's spool carry where in it they were found, so that none is stored twice.
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    task INTEGER REFERENCES task (id),
    run INTEGER,
    kind TEXT NOT NULL CHECK (kind <> ''),
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'urgent')),
    text TEXT NOT NULL,
    details TEXT NOT NULL CHECK (json_type(details) = 'object'),
    spool_offset INTEGER CHECK (spool_offset >= 0),
    part INTEGER CHECK (part >= 0),
    CHECK ((spool_offset IS NULL) = (part IS NULL)),
    CHECK (spool_offset IS NULL OR (task IS NOT NULL AND run IS NOT NULL))
) STRICT;
CREATE INDEX event_task ON event (task, id) WHERE task IS NOT NULL;
CREATE UNIQUE INDEX event_spool ON event (task, run, spool_offset, part) WHERE spool_offset IS NOT NULL;

CREATE TRIGGER event_is_written_once BEFORE UPDATE ON event
BEGIN
    SELECT RAISE(ABORT, 'events do not change');
END;
CREATE TRIGGER event_stays BEFORE DELETE ON event
BEGIN
    SELECT RAISE(ABORT, 'events are not deleted');
END;

-- The outbox: what was decided and has to be done outside.
CREATE TABLE effect (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task INTEGER REFERENCES task (id),
    lane TEXT NOT NULL CHECK (lane <> ''),
    key TEXT NOT NULL UNIQUE CHECK (key <> ''),
    kind TEXT NOT NULL CHECK (kind <> ''),
    payload TEXT NOT NULL CHECK (json_valid(payload)),
    state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'held', 'done', 'failed', 'dropped')),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due INTEGER NOT NULL,
    error TEXT,
    result TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    CHECK ((state = 'done') = (result IS NOT NULL)),
    CHECK (state <> 'failed' OR error IS NOT NULL),
    CHECK (state <> 'sending' OR attempts > 0),
    CHECK ((state IN ('done', 'failed', 'dropped')) = (ended_at IS NOT NULL))
) STRICT;
CREATE INDEX effect_open ON effect (lane, id) WHERE state IN ('pending', 'sending', 'held');
CREATE INDEX effect_task ON effect (task, id) WHERE task IS NOT NULL;

-- The pushed branch and pull request of a task.
CREATE TABLE change (
    task INTEGER NOT NULL PRIMARY KEY REFERENCES task (id),
    repository TEXT NOT NULL,
    branch TEXT NOT NULL,
    base TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    number INTEGER,
    url TEXT,
    state TEXT NOT NULL CHECK (state IN ('branch', 'draft', 'open', 'merged', 'closed'))
) STRICT;

-- What people said to a task, in the order in which it was heard.
CREATE TABLE remark (
    id INTEGER PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES task (id),
    author TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX remark_task ON remark (task, id);

-- Where the next poll of a source goes on.
CREATE TABLE source (
    name TEXT NOT NULL PRIMARY KEY,
    cursor TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Up to which event a reader of the log has come.
CREATE TABLE consumer (
    name TEXT NOT NULL PRIMARY KEY,
    event INTEGER NOT NULL CHECK (event >= 0)
) STRICT, WITHOUT ROWID;

-- What plugins keep, and how many bytes each entry's keys and values have together.
CREATE TABLE kv (
    entry TEXT NOT NULL,
    key TEXT NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 256),
    value TEXT NOT NULL CHECK (octet_length(value) <= 65536),
    PRIMARY KEY (entry, key)
) STRICT;
CREATE TABLE kv_size (
    entry TEXT NOT NULL PRIMARY KEY,
    bytes INTEGER NOT NULL CHECK (bytes BETWEEN 0 AND 16777216)
) STRICT, WITHOUT ROWID;
