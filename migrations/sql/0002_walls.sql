-- Row-level security separates the projects: a service sees only the projects that its transaction has named.
--
-- Each worker sets its role when it connects, whatever user it logs in as, and sets its scope at the start of a
-- transaction: set_config('acorag.scope', '["project id", …]' or '*', true). Without a scope it sees no rows.

DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['acorag_ingest', 'acorag_query'] LOOP
        -- If the migrating user may not create roles, ops/postgres/roles.sql has created them. In development the user
        -- may, and the services log in as the same user. Roles belong to the cluster, not to the database, so another
        -- migration may create them at the same time.
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

-- Returns the ids of the projects in scope; null means all projects.
CREATE FUNCTION acorag_scope() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE current_setting('acorag.scope', true)
        WHEN '*' THEN NULL
        WHEN '' THEN '{}'
        ELSE ARRAY(SELECT jsonb_array_elements_text(coalesce(current_setting('acorag.scope', true), '[]')::jsonb))
    END
$$;

-- Returns the keys of the projects in scope. Policies call it in a sub-select, so that it runs once per statement.
CREATE FUNCTION acorag_projects() RETURNS integer[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(key), '{}') FROM project
$$;

ALTER TABLE project ENABLE ROW LEVEL SECURITY;
ALTER TABLE document ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE chunk ENABLE ROW LEVEL SECURITY;
ALTER TABLE embedding ENABLE ROW LEVEL SECURITY;
ALTER TABLE sentence ENABLE ROW LEVEL SECURITY;
ALTER TABLE posting ENABLE ROW LEVEL SECURITY;
ALTER TABLE posting_pending ENABLE ROW LEVEL SECURITY;
ALTER TABLE posting_dead ENABLE ROW LEVEL SECURITY;

CREATE POLICY walls ON project
    USING ((SELECT current_setting('acorag.scope', true)) = '*' OR id = ANY ((SELECT acorag_scope())::text[]));
CREATE POLICY walls ON document USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON import_record USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON chunk USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON embedding USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON sentence USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON posting_pending USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON posting_dead USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON posting USING (project_key = ANY ((SELECT acorag_projects())::integer[]));

GRANT SELECT ON project, document, document_view, import_record, chunk, embedding, sentence, posting, posting_pending,
                posting_dead, embedding_model TO acorag_query;
GRANT SELECT, INSERT, UPDATE ON project, document, embedding_model TO acorag_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON import_record TO acorag_ingest;
GRANT SELECT, INSERT, DELETE ON chunk, embedding, sentence TO acorag_ingest;
-- A merge locks its rows with FOR UPDATE, which needs the right to update.
GRANT SELECT, INSERT, UPDATE, DELETE ON posting, posting_pending, posting_dead TO acorag_ingest;
GRANT SELECT ON installation TO acorag_ingest;

-- Creates an index of one project's vectors. In the index that all projects of a partition share, a search in one
-- project must skip the vectors of the others: it takes longer and finds less. A project with more than half of its
-- partition's vectors needs no index of its own. While the index is created, no other commit into the partition can
-- continue. So a project with more than 20000 passages is skipped: acorag-migrate creates its index concurrently.
CREATE FUNCTION acorag_index_vectors(project_key integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    part oid;
    own bigint;
BEGIN
    SELECT tableoid INTO part FROM embedding e WHERE e.project_key = $1 LIMIT 1;
    SELECT chunks INTO own FROM project WHERE key = $1;
    IF part IS NULL OR own > 20000 OR own * 2 > (SELECT reltuples FROM pg_class WHERE oid = part) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE INDEX IF NOT EXISTS embedding_of_%s ON %s USING hnsw (vector halfvec_ip_ops)
                    WITH (m = 16, ef_construction = 64) WHERE project_key = %s', $1, part::regclass, $1);
END $$;
REVOKE ALL ON FUNCTION acorag_index_vectors FROM PUBLIC;
GRANT EXECUTE ON FUNCTION acorag_index_vectors TO acorag_ingest;
