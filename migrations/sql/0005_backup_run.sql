-- Finished backups and verifications. `acorag-backup` writes the rows, the ingest worker exports the times as a metric,
-- and alerts use their age.

CREATE TABLE backup_run (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('base', 'wal', 'files', 'verify')),
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    bytes       bigint NOT NULL,
    detail      text NOT NULL DEFAULT ''
);
CREATE INDEX backup_run_newest ON backup_run (kind, finished_at);

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'acorag_backup') THEN
        CREATE ROLE acorag_backup NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- created at the same time from another database
END $$;

GRANT USAGE ON SCHEMA public TO acorag_backup;
GRANT SELECT, INSERT ON backup_run TO acorag_backup;
GRANT SELECT ON backup_run TO acorag_ingest;
