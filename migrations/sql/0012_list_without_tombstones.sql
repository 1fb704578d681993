-- A deleted document stays as a tombstone. The indexes of the list of documents contained the tombstones, so after the deletion of a
-- large import each page of the list read all of them. These indexes contain only documents that can be listed: the first one is
-- for one project, the second one for several. 0013_drop_old_list_indexes.sql drops the earlier ones.
--
-- Writes wait while the indexes are made, some seconds for a million documents. Whoever asks for a lock waits behind this one, so
-- it is given up soon and asked for again (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
CREATE INDEX document_listed ON document (project_key, accepted_at DESC, key DESC) WHERE state <> 'deleted';
CREATE INDEX document_listed_in_all ON document (accepted_at DESC, key DESC) WHERE state <> 'deleted';
