-- Filters of a search. Under row-level security PostgreSQL uses an index only for operators that are leakproof, and the containment
-- of fields (@>) is not: a search with a filter compared the fields of all documents of its projects, which took half a second for
-- 100,000 documents.
--
-- Writes wait while the indexes are made. Whoever asks for a lock waits behind this one, so it is given up soon and asked for again
-- (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
CREATE INDEX document_fields ON document USING gin ((lower(fields::text)::jsonb) jsonb_path_ops) WHERE chunks > 0;
CREATE INDEX document_modified ON document (project_key, date_modified) WHERE chunks > 0;
-- Who has not typed anything yet is suggested the titles of the newest documents.
CREATE INDEX document_indexed ON document (project_key, indexed_at DESC NULLS LAST) WHERE state = 'indexed';

-- Returns the documents that match filters, and how many passages each has. A filter that is null matches every document. A document
-- with passages is searchable, also while it is indexed again. The function runs as the owner of the tables, so that it may use the
-- indexes, and separates the projects itself, as acorag_numbered does (0008_numbers.sql).
CREATE FUNCTION acorag_filtered(wanted jsonb, modified_from timestamptz, modified_to timestamptz, among bigint[])
RETURNS TABLE (project_key integer, key bigint, chunks integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, public, pg_temp
-- The best plan depends on how frequent the fields are, and on how large the projects are.
SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    in_scope integer[] := ARRAY(SELECT p.key FROM project p
                                WHERE (SELECT current_setting('acorag.scope', true)) = '*'
                                   OR p.id = ANY ((SELECT acorag_scope())::text[]));
    in_lower_case jsonb := lower(wanted::text)::jsonb;
BEGIN
    RETURN QUERY
        SELECT d.project_key, d.key, d.chunks FROM document d
        WHERE d.project_key = ANY (in_scope) AND d.chunks > 0
          AND (in_lower_case IS NULL OR lower(d.fields::text)::jsonb @> in_lower_case)
          AND (modified_from IS NULL OR d.date_modified >= modified_from)
          AND (modified_to IS NULL OR d.date_modified <= modified_to)
          AND (among IS NULL OR d.key = ANY (among));
END $$;

REVOKE ALL ON FUNCTION acorag_filtered FROM PUBLIC;
GRANT EXECUTE ON FUNCTION acorag_filtered TO acorag_query;
