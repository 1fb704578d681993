-- The indexes of 0012_list_without_tombstones.sql have replaced these two. Readers wait while an index is dropped. In a transaction
-- of its own that takes a moment; together with the creation they would wait until the new indexes are made.
--
-- Whoever asks for a lock waits behind this one, so it is given up soon and asked for again (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
DROP INDEX document_newest, document_accepted;
