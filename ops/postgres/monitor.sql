-- The login of postgres_exporter (compose.yaml, profile observability). It reads statistics, but no table of acorag.
\set ON_ERROR_STOP on
\getenv monitor_password POSTGRES_MONITOR_PASSWORD
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SELECT 'CREATE ROLE acorag_monitor' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'acorag_monitor') \gexec
ALTER ROLE acorag_monitor LOGIN PASSWORD :'monitor_password';
GRANT pg_monitor TO acorag_monitor;
SELECT format('GRANT CONNECT ON DATABASE %I TO acorag_monitor', current_database()) \gexec
