-- A query has one turn (0016_turns_of_queries.sql).
--
-- Writes wait while the index is made. Whoever asks for a lock waits behind this one, so it is given up soon and asked for again
-- (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
CREATE UNIQUE INDEX turn_query ON turn (query_id) WHERE query_id IS NOT NULL;
