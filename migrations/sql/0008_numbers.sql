-- Finds documents by parts of their numbers. Under row-level security PostgreSQL uses an index only for operators that
-- are leakproof, and LIKE is not: the worker's role could never use the index document_number, and each query with a
-- document number read all documents of its projects. This function runs as the owner of the tables, for whom there is
-- no such rule, and therefore separates the projects itself.
--
-- It takes the projects from acorag.scope, as the policy of `project` does. It must not call acorag_projects(): what a
-- transaction noted there is not checked here, and without a note the owner would see all projects.
CREATE FUNCTION acorag_numbered(codes text[], among bigint[], most bigint)
RETURNS TABLE (project_key integer, document_key bigint, code text, number_norm text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 200
SET search_path = pg_catalog, public, pg_temp
-- The best plan depends on how frequent the code is, and on how large the projects are.
SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    wanted text;
    in_scope integer[] := ARRAY(SELECT p.key FROM project p
                                WHERE (SELECT current_setting('acorag.scope', true)) = '*'
                                   OR p.id = ANY ((SELECT acorag_scope())::text[]));
BEGIN
    FOREACH wanted IN ARRAY codes LOOP
        -- Numbers contain only these characters. Others are wildcards of LIKE, or find nothing.
        CONTINUE WHEN wanted !~ '^[A-Z0-9]+$';
        RETURN QUERY
            SELECT d.project_key, d.key, wanted, d.number_norm FROM document d
            WHERE d.number_norm LIKE '%' || wanted || '%' AND d.project_key = ANY (in_scope)
              AND (d.chunks > 0 OR d.state = 'indexed') AND (among IS NULL OR d.key = ANY (among))
            -- The code is a larger part of a shorter number.
            ORDER BY length(d.number_norm), d.key LIMIT most;
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION acorag_numbered FROM PUBLIC;
GRANT EXECUTE ON FUNCTION acorag_numbered TO acorag_query;
