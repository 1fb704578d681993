-- The ingest worker counts documents by state every few seconds: from an index, not from the table.

CREATE INDEX document_by_state ON document (state, project_key) WHERE kind = 'document';
