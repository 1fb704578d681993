-- Suggestions while a user types. Without an index each of them read the titles of all documents in the scope, and all searches of
-- the last 90 days, whoever had searched: with 200,000 documents that took a second.
--
-- Writes wait while the index is made. Whoever asks for a lock waits behind this one, so it is given up soon and asked for again
-- (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
CREATE INDEX document_title ON document USING gin (acorag_fold(fields->>'title') gin_trgm_ops) WHERE state = 'indexed';

-- Returns titles with a word that begins with what was typed or, if `alike`, with words that are similar to it. Under row-level
-- security PostgreSQL would not use the index, so this function runs as the owner and separates the projects itself, as
-- acorag_numbered does (0008_numbers.sql). Only so many titles are compared that one can be chosen.
CREATE FUNCTION acorag_titled(typed text, alike boolean, most bigint) RETURNS TABLE (title text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, public, pg_temp
SET pg_trgm.word_similarity_threshold = 0.4
-- The best plan depends on how frequent the words are, and on how large the projects are.
SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    folded text := acorag_fold(typed);
    -- Without the characters that LIKE reads as wildcards.
    beginning text := replace(replace(replace(folded, '\', '\\'), '%', '\%'), '_', '\_') || '%';
    in_scope integer[] := ARRAY(SELECT p.key FROM project p
                                WHERE (SELECT current_setting('acorag.scope', true)) = '*'
                                   OR p.id = ANY ((SELECT acorag_scope())::text[]));
BEGIN
    IF alike THEN
        RETURN QUERY
            SELECT found.title FROM (
                SELECT d.fields->>'title' AS title FROM document d
                WHERE d.state = 'indexed' AND d.project_key = ANY (in_scope)
                  AND folded <% acorag_fold(d.fields->>'title')
                LIMIT 10000
            ) AS found
            GROUP BY found.title
            ORDER BY word_similarity(folded, acorag_fold(found.title)) DESC, found.title LIMIT most;
    ELSE
        RETURN QUERY
            SELECT found.title FROM (
                SELECT d.fields->>'title' AS title FROM document d
                WHERE d.state = 'indexed' AND d.project_key = ANY (in_scope)
                  AND (acorag_fold(d.fields->>'title') LIKE beginning
                       OR acorag_fold(d.fields->>'title') LIKE '% ' || beginning)
                LIMIT 10000
            ) AS found
            GROUP BY found.title
            ORDER BY starts_with(acorag_fold(found.title), folded) DESC, length(found.title), found.title LIMIT most;
    END IF;
END $$;

REVOKE ALL ON FUNCTION acorag_titled FROM PUBLIC;
GRANT EXECUTE ON FUNCTION acorag_titled TO acorag_query;

-- Suggestions count only the newest searches: their numbers begin at the last one of the sequence.
GRANT SELECT ON SEQUENCE search_log_key_seq TO acorag_query;
