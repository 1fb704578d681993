-- Each ingest worker swept once in an hour, and looked at every file for it. Now one of them does: the one that notes here first that
-- an hour is over.
--
-- Whoever asks for a lock waits behind this one, so it is given up soon and asked for again (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
ALTER TABLE installation ADD COLUMN swept_at timestamptz NOT NULL DEFAULT '-infinity';
GRANT UPDATE (swept_at) ON installation TO acorag_ingest;
