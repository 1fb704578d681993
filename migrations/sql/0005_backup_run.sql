-- What was backed up and checked, and when: `acorag-backup` writes it, the ingest worker shows it as a metric, and an
-- alert counts from there.

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
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- somebody else was faster, in another database
END $$;

GRANT USAGE ON SCHEMA public TO acorag_backup;
GRANT SELECT, INSERT ON backup_run TO acorag_backup;
GRANT SELECT ON backup_run TO acorag_ingest;
