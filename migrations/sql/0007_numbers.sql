-- A document that is indexed anew is found by its number all the while, so the index holds every document. It serves the
-- queries of the release before, too.

CREATE INDEX document_number_any ON document USING gin (number_norm gin_trgm_ops);
DROP INDEX document_number;
