-- A page of the documents in a state, or of what came with an import or mail, read the documents of the project from the newest on
-- until it was full, often all of them. These two indexes are in the order of the list. Both can be used under row-level security,
-- because the equality of texts is leakproof.
--
-- A list of what came with an import must be as fast, so its records are in the first index, too: some 75 bytes for each, where its
-- document and its entries in the other indexes have kilobytes. They come in the order of the index, so they are written to the same
-- page.
--
-- The second index leaves out the state of most documents, whose page is full soon. Each document is in it while it is processed.
-- It does not replace document_by_state, from which all documents are counted without reading them.
--
-- Writes wait while the indexes are made, some seconds for a million documents. Whoever asks for a lock waits behind this one, so
-- it is given up soon and asked for again (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
CREATE INDEX document_listed_by_parent ON document (parent_id, accepted_at DESC, key DESC)
    WHERE parent_id IS NOT NULL AND state <> 'deleted';
CREATE INDEX document_listed_by_state ON document (state, project_key, accepted_at DESC, key DESC)
    WHERE state IN ('processing', 'failed', 'superseded');
