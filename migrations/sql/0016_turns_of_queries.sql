-- A query that is delivered again, because its worker died or its acknowledgement was lost, stored its turn once more. The next
-- migration makes the id unique. It is one of its own because readers wait until the transaction of this one ends.
--
-- Whoever asks for a lock waits behind this one, so it is given up soon and asked for again (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
-- The id of the query, the same each time that it is delivered. Workers of earlier releases store none.
ALTER TABLE turn ADD COLUMN query_id text;
