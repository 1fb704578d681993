-- The place of a record in its import's file: of several records of one document, the last one counts. Null for a record that an
-- earlier release has noted.
--
-- Whoever asks for a lock waits behind this one, so it is given up soon and asked for again (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
ALTER TABLE import_record ADD COLUMN place integer;
