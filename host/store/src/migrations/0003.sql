-- GitHub: the issue that a task is, as REPOSITORY#NUMBER.

ALTER TABLE content ADD COLUMN thread TEXT;
