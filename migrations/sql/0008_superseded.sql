-- Whom a document superseded is asked when it goes, fails or takes another number.

CREATE INDEX document_superseded ON document (project_key, superseded_by) WHERE superseded_by IS NOT NULL;
