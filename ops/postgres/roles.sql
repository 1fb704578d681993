-- Creates the logins of acorag, one per service, and everything that needs a superuser. A superuser runs it in acorag's
-- database before every migration: psql --file roles.sql. A second run only sets the passwords again.
--
-- Passwords are psql variables (--set migrate_password=…) or, if these are not set, come from the environment.
\set ON_ERROR_STOP on
\if :{?migrate_password} \else
\getenv migrate_password POSTGRES_MIGRATE_PASSWORD
\endif
\if :{?ingest_password} \else
\getenv ingest_password POSTGRES_INGEST_PASSWORD
\endif
\if :{?query_password} \else
\getenv query_password POSTGRES_QUERY_PASSWORD
\endif
\if :{?backup_password} \else
\getenv backup_password POSTGRES_BACKUP_PASSWORD
\endif

-- Keeps passwords out of the server's log.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';

SELECT format('CREATE ROLE %I', name)
    FROM unnest(ARRAY['acorag_ingest', 'acorag_query', 'acorag_migrate', 'acorag_ingest_worker', 'acorag_query_worker',
                      'acorag_backup']) AS name
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- The rights of a worker belong to the role that it takes in each transaction; its login alone has no rights.
ALTER ROLE acorag_ingest NOLOGIN;
ALTER ROLE acorag_query NOLOGIN;
ALTER ROLE acorag_ingest_worker LOGIN NOINHERIT PASSWORD :'ingest_password';
ALTER ROLE acorag_query_worker LOGIN NOINHERIT PASSWORD :'query_password';
GRANT acorag_ingest TO acorag_ingest_worker WITH INHERIT FALSE, SET TRUE;
GRANT acorag_query TO acorag_query_worker WITH INHERIT FALSE, SET TRUE;

-- The owner of the tables, for migrations and for `acorag-query-worker keys` and `users`.
ALTER ROLE acorag_migrate LOGIN PASSWORD :'migrate_password';
-- Allows to see all sessions, for the analysis of a slow database.
GRANT pg_read_all_stats TO acorag_migrate;
-- For backups: may copy the whole database cluster, and end segments of the log.
ALTER ROLE acorag_backup LOGIN REPLICATION PASSWORD :'backup_password';
GRANT EXECUTE ON FUNCTION pg_switch_wal() TO acorag_backup;

SELECT format('ALTER DATABASE %I OWNER TO acorag_migrate', current_database()) \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO acorag_ingest_worker, acorag_query_worker, acorag_backup',
              current_database()) \gexec

CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
