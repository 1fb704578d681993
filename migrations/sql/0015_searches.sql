-- Suggestions of earlier searches while a user types. Each letter compared the last 200,000 searches of all users, for the reason that
-- 0010_suggestions.sql gives.
--
-- Writes wait while the index is made. Whoever asks for a lock waits behind this one, so it is given up soon and asked for again
-- (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
CREATE INDEX search_log_folded ON search_log USING gin (folded gin_trgm_ops) WHERE results > 0;

-- Returns searches with a word that begins with what was typed, the most frequent first, as they were typed last. It runs as the
-- owner, so that it may use the index, and compares the projects itself, as the policy of search_log does. Only searches since a day
-- and a number of the newest searches count.
CREATE FUNCTION acorag_searched(typed text, days integer, newest bigint, most bigint) RETURNS TABLE (query text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, public, pg_temp
-- The best plan depends on how frequent the words are.
SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    -- It consists of letters, digits and spaces, none of which is a wildcard of LIKE.
    folded_typed text := acorag_search_key(typed);
    everything boolean := coalesce(current_setting('acorag.scope', true) = '*', false);
    in_scope integer[] := ARRAY(SELECT p.key FROM project p WHERE everything OR p.id = ANY (acorag_scope()));
    first bigint := coalesce(pg_sequence_last_value('search_log_key_seq'), 0) - newest;
BEGIN
    RETURN QUERY
        SELECT last.query
        FROM (SELECT max(s.key) AS key, sum(s.times) AS times, s.folded
              FROM search_log s
              WHERE s.searched_at > now() - make_interval(days => days) AND s.results > 0 AND s.folded <> '' AND s.key > first
                AND (everything OR cardinality(s.projects) > 0 AND s.projects <@ in_scope)
                AND (folded_typed = '' OR s.folded LIKE folded_typed || '%' OR s.folded LIKE '% ' || folded_typed || '%')
              GROUP BY s.folded ORDER BY 2 DESC, s.folded LIMIT most) AS alike
        JOIN search_log AS last USING (key)
        ORDER BY alike.times DESC, alike.folded;
END $$;

REVOKE ALL ON FUNCTION acorag_searched FROM PUBLIC;
GRANT EXECUTE ON FUNCTION acorag_searched TO acorag_query;
