-- Projects are walls, in the database too: a service sees only the projects that its transaction has named.
--
-- Each worker takes its role when it connects, whatever user it logs in as, and names its scope at the start of a
-- transaction: set_config('acorag.scope', '["project id", …]' or '*', true). No scope, no rows.

DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['acorag_ingest', 'acorag_query'] LOOP
        -- ops/postgres/roles.sql has made them where the migrating user may not. In development it may, and then runs
        -- the services too. Roles are the cluster's, not the database's: another migration may be faster.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = service) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', service);
                EXECUTE format('GRANT %I TO CURRENT_USER', service);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', service);
    END LOOP;
END $$;

-- Whether the transaction's scope holds this project.
CREATE FUNCTION acorag_in_scope(project_id text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN coalesce(current_setting('acorag.scope', true), '') = '' THEN false
        WHEN current_setting('acorag.scope', true) = '*' THEN true
        ELSE current_setting('acorag.scope', true)::jsonb ? project_id
    END
$$;

-- The keys of the projects in scope. Policies call it in a sub-select, so that it runs once a statement.
CREATE FUNCTION acorag_projects() RETURNS integer[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(key), '{}') FROM project WHERE acorag_in_scope(id)
$$;

ALTER TABLE project ENABLE ROW LEVEL SECURITY;
ALTER TABLE document ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE chunk ENABLE ROW LEVEL SECURITY;
ALTER TABLE posting ENABLE ROW LEVEL SECURITY;

CREATE POLICY walls ON project USING (acorag_in_scope(id));
CREATE POLICY walls ON document USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON import_record USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON chunk USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON posting USING (project_key = ANY ((SELECT acorag_projects())::integer[]));

GRANT SELECT ON project, document, document_view, import_record, chunk, posting, embedding_model TO acorag_query;
GRANT SELECT, INSERT, UPDATE ON project, document, embedding_model TO acorag_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON import_record TO acorag_ingest;
GRANT SELECT, INSERT, DELETE ON chunk, posting TO acorag_ingest;
GRANT SELECT ON installation TO acorag_ingest;
