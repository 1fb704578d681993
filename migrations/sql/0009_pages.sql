-- A page of the list of documents was chosen from the view: each page described every document in the scope, with the outcomes of
-- its records, and sorted all of them. In a project of 200,000 documents that took 1.5 s. Now the page is chosen from the table
-- (documents/src/read.rs), in one project by the index document_newest and in several by this one, and the view describes only
-- the documents of the page, which it finds by their whole key.
--
-- Writes wait while the index is made, some seconds for a million documents. Whoever asks for a lock waits behind this one, so it
-- is given up soon and asked for again (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
CREATE INDEX document_accepted ON document (accepted_at DESC, key DESC);

CREATE OR REPLACE VIEW document_view WITH (security_invoker = true) AS
SELECT d.key, d.id, d.state, d.fields, d.number_norm, d.parent_id, d.accepted_at,
       d.fields || jsonb_build_object(
           'document_id', d.id, 'project_id', p.id, 'kind', d.kind, 'state', d.state, 'reason', d.reason,
           'percent', CASE WHEN d.state = 'processing' AND d.records IS NOT NULL
                           -- The progress of an import is the share of its records with an outcome.
                           THEN least((parts.indexed + parts.failed) * 100 / greatest(d.records, 1), 99)
                           ELSE d.percent END,
           'filename', d.filename, 'file_type', d.file_type, 'date_modified', d.date_modified, 'size', d.size,
           'sha256', d.sha256, 'pages', d.pages, 'chunks', d.chunks, 'text_length', d.text_length,
           'records', CASE WHEN d.records IS NOT NULL THEN jsonb_build_object(
               'total', d.records, 'indexed', parts.indexed, 'failed', parts.failed) END,
           'parent_id', d.parent_id, 'superseded_by', d.superseded_by, 'accepted_at', d.accepted_at,
           'indexed_at', d.indexed_at, 'metadata', d.metadata) AS document,
       d.project_key
FROM document d
JOIN project p ON p.key = d.project_key
-- Counted from the rows; no separate counter is stored.
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE outcome <> 'failed') AS indexed, count(*) FILTER (WHERE outcome = 'failed') AS failed
    FROM import_record WHERE project_key = d.project_key AND import_key = d.key
) parts ON true
WHERE d.state <> 'deleted';
