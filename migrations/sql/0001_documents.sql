-- Documents, their passages, words and vectors. In every table of document data, the project is the first column of
-- every key: row-level security separates the projects by it, and the large tables are partitioned by it.

CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE project (
    key         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          text NOT NULL UNIQUE,
    -- Number of searchable passages and of their terms, for BM25. Every transaction that adds or removes passages
    -- updates both.
    chunks      bigint NOT NULL DEFAULT 0,
    terms       bigint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE document (
    project_key   integer NOT NULL REFERENCES project,
    key           bigint GENERATED ALWAYS AS IDENTITY,
    id            text NOT NULL,
    kind          text NOT NULL DEFAULT 'document' CHECK (kind IN ('document', 'import')),
    -- 'deleted' is a tombstone: it makes the jobs accepted before it void.
    state         text NOT NULL CHECK (state IN ('processing', 'indexed', 'failed', 'superseded', 'deleted')),
    percent       smallint NOT NULL DEFAULT 0,
    reason        jsonb,
    -- When the queue accepted the job that made this row. A later job replaces an earlier one, whichever is processed
    -- first.
    accepted_at   timestamptz NOT NULL,
    -- When a job that was queued again was first accepted: it must not replace what was accepted in between, nor make
    -- that void. Null if it is the same time as accepted_at.
    since         timestamptz,
    -- How many attempts started without an end. A document whose worker dies again and again is given up.
    starts        smallint NOT NULL DEFAULT 0,
    indexed_at    timestamptz,
    -- The job itself, so that a document can be indexed again (a newer revision was deleted, the model changed).
    job           jsonb,
    object        text NOT NULL DEFAULT '',
    filename      text NOT NULL DEFAULT '',
    file_type     text NOT NULL DEFAULT '',
    media_type    text NOT NULL DEFAULT '',
    size          bigint NOT NULL DEFAULT 0,
    sha256        text NOT NULL DEFAULT '',
    -- The document's short text fields (schemas::Fields), without the empty ones; a new field needs no migration.
    -- Filters test containment in lower case. No index can serve them: under row-level security PostgreSQL uses an
    -- index only if the operator is leakproof, and @> is not.
    fields        jsonb NOT NULL DEFAULT '{}',
    -- The document number in capitals, with letters and digits only. Revisions of one document share it.
    number_norm   text NOT NULL DEFAULT '',
    date_modified timestamptz,
    metadata      jsonb NOT NULL DEFAULT '{}',
    pages         integer NOT NULL DEFAULT 0,
    chunks        integer NOT NULL DEFAULT 0,
    terms         integer NOT NULL DEFAULT 0,
    text_length   bigint NOT NULL DEFAULT 0,
    -- For an import: the number of its records; null until all are noted.
    records       integer,
    -- The import or mail that the document came with, which may be in another project.
    parent_project integer,
    parent_key    bigint,
    parent_id     text,
    superseded_by text,
    PRIMARY KEY (project_key, key),
    UNIQUE (project_key, id),
    FOREIGN KEY (parent_project, parent_key) REFERENCES document
);
CREATE INDEX document_newest ON document (project_key, accepted_at DESC, key DESC);
CREATE INDEX document_revisions ON document (project_key, number_norm) WHERE number_norm <> '';
CREATE INDEX document_parts ON document (parent_project, parent_key) WHERE parent_key IS NOT NULL;
-- A document can be found by its number while it is indexed again, so this index contains documents in every state.
CREATE INDEX document_number ON document USING gin (number_norm gin_trgm_ops);
CREATE INDEX document_by_id ON document (id);
-- The ingest workers count documents by state every few seconds.
CREATE INDEX document_by_state ON document (state, project_key) WHERE kind = 'document';
-- Used when a document that superseded others is deleted, fails or gets another number.
CREATE INDEX document_superseded ON document (project_key, superseded_by) WHERE superseded_by IS NOT NULL;

-- The outcome of each record of an import. An import is finished when every record has an outcome.
CREATE TABLE import_record (
    -- The import's project, which row-level security checks. The record may belong to another project.
    project_key integer NOT NULL,
    import_key  bigint NOT NULL,
    project_id  text NOT NULL,
    document_id text NOT NULL,
    outcome     text CHECK (outcome IN ('indexed', 'superseded', 'failed')),
    reason      jsonb,
    PRIMARY KEY (project_key, import_key, project_id, document_id),
    FOREIGN KEY (project_key, import_key) REFERENCES document ON DELETE CASCADE
);
CREATE INDEX import_record_open ON import_record (project_key, import_key) WHERE outcome IS NULL;

-- Documents as clients read them: `document` is schemas::document::Document in JSON; the other columns are for filters
-- and sorting. Row-level security applies to the role that reads the view.
CREATE VIEW document_view WITH (security_invoker = true) AS
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
           'indexed_at', d.indexed_at, 'metadata', d.metadata) AS document
FROM document d
JOIN project p ON p.key = d.project_key
-- Counted from the rows; no separate counter is stored.
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE outcome <> 'failed') AS indexed, count(*) FILTER (WHERE outcome = 'failed') AS failed
    FROM import_record WHERE project_key = d.project_key AND import_key = d.key
) parts ON true
WHERE d.state <> 'deleted';

-- Passages of searchable documents only: superseded, failed and deleted documents have none.
CREATE TABLE chunk (
    -- Columns of eight bytes come first: then no row contains bytes of padding between them.
    key          bigint GENERATED ALWAYS AS IDENTITY,
    document_key bigint NOT NULL,
    project_key  integer NOT NULL,
    ordinal      integer NOT NULL,
    page         integer,
    page_last    integer,
    -- Number of terms in the passage: the document length in BM25.
    terms        integer NOT NULL,
    language     text NOT NULL DEFAULT '',
    heading      text NOT NULL DEFAULT '',
    text         text NOT NULL,
    -- Not written yet. They exist now, because adding them later would take an exclusive lock and would be one more
    -- version of the schema: the period in which the passage is valid, for questions about an earlier state, and where
    -- the text is on its page, for passages read from images.
    valid_from   timestamptz,
    valid_to     timestamptz,
    boxes        jsonb,
    PRIMARY KEY (project_key, key),
    FOREIGN KEY (project_key, document_key) REFERENCES document ON DELETE CASCADE
) PARTITION BY HASH (project_key);
CREATE INDEX chunk_document ON chunk (project_key, document_key, ordinal) INCLUDE (key);

-- The models that made vectors. Usually there is one; a second one exists while its vectors are being made to replace
-- the first (docs/operations.md, "Changing the model").
CREATE TABLE embedding_model (
    number     smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    digest     text NOT NULL UNIQUE,
    -- pgvector indexes a halfvec of at most 4000 numbers.
    dimension  integer NOT NULL CHECK (dimension BETWEEN 1 AND 4000),
    -- The answering model has a vector of every passage and cannot be dropped.
    answering  boolean NOT NULL,
    registered timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX embedding_model_answering ON embedding_model (answering) WHERE answering;

-- The passages' vectors, a table for each model (acorag_add_model). They are stored apart from the text, so that an
-- exact search reads only vectors, and so that all vectors of a model can be dropped at once.
CREATE TABLE embedding (
    project_key  integer NOT NULL,
    model        smallint NOT NULL,
    chunk_key    bigint NOT NULL,
    document_key bigint NOT NULL,
    -- The dimension is the model's; the index of the model's table checks it.
    vector       halfvec NOT NULL,
    FOREIGN KEY (project_key, chunk_key) REFERENCES chunk ON DELETE CASCADE
) PARTITION BY LIST (model);

-- The vectors of the passages' sentences, by which chat chooses what to quote. A row holds all sentences of a passage,
-- compressed against the passage's own vector (documents/src/sentences.rs), so it is of the same model. A passage without
-- a row is chosen from by its words alone.
CREATE TABLE sentence (
    project_key  integer NOT NULL,
    model        smallint NOT NULL,
    chunk_key    bigint NOT NULL,
    -- EXTERNAL: quantized numbers cannot be compressed further.
    data         bytea STORAGE EXTERNAL NOT NULL,
    FOREIGN KEY (project_key, chunk_key) REFERENCES chunk ON DELETE CASCADE
) PARTITION BY LIST (model);

-- The inverted index for BM25, because PostgreSQL's own ranking ignores how rare a word is. A row contains up to 256
-- passages with a term, compressed (documents/src/index/block.rs).
CREATE TABLE posting (
    project_key integer NOT NULL,
    term        text COLLATE "C" NOT NULL,
    -- The smallest and the largest chunk.key in the row. Rows of one term may overlap.
    first       bigint NOT NULL,
    last        bigint NOT NULL,
    passages    integer NOT NULL,
    -- Pairs of frequency and length that determine the maximum weight of the term in these passages.
    best        bytea NOT NULL,
    data        bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (project_key, term, first)
) PARTITION BY HASH (project_key);

-- The words of documents that are not merged into `posting` yet: one row for each document, or for each slice of a long
-- one. Commits write here, so that no two commits change the same row.
CREATE TABLE posting_pending (
    project_key  integer NOT NULL,
    document_key bigint NOT NULL,
    -- The ordinal of the first passage in the row.
    first        integer NOT NULL,
    passages     integer NOT NULL,
    data         bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (project_key, document_key, first)
);

-- Removed passages that are still in `posting`, until a purge removes them there.
CREATE TABLE posting_dead (
    project_key integer NOT NULL,
    chunk_key   bigint NOT NULL,
    PRIMARY KEY (project_key, chunk_key)
);

-- All rows of a project are in one partition. Statements name their projects, so each statement reads only the
-- partitions of those projects. More partitions would make a search in all projects slower, because it reads every
-- partition.
DO $$
DECLARE
    partitioned text;
BEGIN
    FOREACH partitioned IN ARRAY ARRAY['chunk', 'posting'] LOOP
        FOR remainder IN 0..7 LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 8, REMAINDER %s)',
                           partitioned || '_' || remainder, partitioned, remainder);
        END LOOP;
    END LOOP;
END $$;

-- A secret that event producers do not know. The ingest workers derive their message ids from it. A producer that could
-- guess such an id could publish a message with it first, and JetStream would drop the worker's message as a duplicate.
CREATE TABLE installation (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    secret   uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO installation DEFAULT VALUES;
