-- Documents, their passages, words and vectors. Every table names its project, first in every key: that is the wall between
-- projects, and what the large tables are partitioned by.

CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE project (
    key         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          text NOT NULL UNIQUE,
    -- Sums over the searchable passages, kept by the transaction that changes them: BM25 needs both.
    chunks      bigint NOT NULL DEFAULT 0,
    terms       bigint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE document (
    project_key   integer NOT NULL REFERENCES project,
    key           bigint GENERATED ALWAYS AS IDENTITY,
    id            text NOT NULL,
    kind          text NOT NULL DEFAULT 'document' CHECK (kind IN ('document', 'import')),
    -- 'deleted' is a tombstone: it voids the jobs accepted before it.
    state         text NOT NULL CHECK (state IN ('processing', 'indexed', 'failed', 'superseded', 'deleted')),
    percent       smallint NOT NULL DEFAULT 0,
    reason        jsonb,
    -- When the job that made this row was accepted by the queue. Later jobs win over earlier ones, in any order of work.
    accepted_at   timestamptz NOT NULL,
    -- Starts of work without an end: a document that kills its worker again and again is given up.
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
    -- What is said of it in a few words each (schemas::Fields), without what is empty: a new field needs no migration.
    -- Filters ask for containment in lower case. No index serves them: under row-level security PostgreSQL uses none whose
    -- operator is not leakproof, and @> is not.
    fields        jsonb NOT NULL DEFAULT '{}',
    -- The number with letters and digits only, in capitals: what revisions of one document share.
    number_norm   text NOT NULL DEFAULT '',
    date_modified timestamptz,
    metadata      jsonb NOT NULL DEFAULT '{}',
    pages         integer NOT NULL DEFAULT 0,
    chunks        integer NOT NULL DEFAULT 0,
    terms         integer NOT NULL DEFAULT 0,
    text_length   bigint NOT NULL DEFAULT 0,
    -- For an import: how many records it holds, known once it is split.
    records       integer,
    -- The import or mail it came with, which may be in another project.
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
-- A document that is indexed anew is found by its number meanwhile, so this index holds documents in every state.
CREATE INDEX document_number ON document USING gin (number_norm gin_trgm_ops);
CREATE INDEX document_by_id ON document (id);
-- The ingest workers count documents by state every few seconds.
CREATE INDEX document_by_state ON document (state, project_key) WHERE kind = 'document';
-- Read when a document that superseded others is deleted, fails or takes another number.
CREATE INDEX document_superseded ON document (project_key, superseded_by) WHERE superseded_by IS NOT NULL;

-- What became of each record of an import. An import is done when every record has an outcome.
CREATE TABLE import_record (
    -- The import's project: its wall. The record may belong to another one.
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

-- Documents as clients read them: `document` is schemas::document::Document in JSON, the other columns select and order.
-- Row-level security holds for whoever reads.
CREATE VIEW document_view WITH (security_invoker = true) AS
SELECT d.key, d.id, d.state, d.fields, d.number_norm, d.parent_id, d.accepted_at,
       d.fields || jsonb_build_object(
           'document_id', d.id, 'project_id', p.id, 'kind', d.kind, 'state', d.state, 'reason', d.reason,
           'percent', CASE WHEN d.state = 'processing' AND d.records IS NOT NULL
                           -- An import is as far as its records are.
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
-- Counted where they are, not in a counter of their own.
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE outcome <> 'failed') AS indexed, count(*) FILTER (WHERE outcome = 'failed') AS failed
    FROM import_record WHERE project_key = d.project_key AND import_key = d.key
) parts ON true
WHERE d.state <> 'deleted';

-- Passages of indexed documents, and of no others: what is superseded, failed or deleted cannot answer.
CREATE TABLE chunk (
    project_key  integer NOT NULL,
    key          bigint GENERATED ALWAYS AS IDENTITY,
    document_key bigint NOT NULL,
    ordinal      integer NOT NULL,
    page         integer,
    page_last    integer,
    -- Number of terms in it: BM25's document length.
    terms        integer NOT NULL,
    language     text NOT NULL DEFAULT '',
    heading      text NOT NULL DEFAULT '',
    text         text NOT NULL,
    PRIMARY KEY (project_key, key),
    FOREIGN KEY (project_key, document_key) REFERENCES document ON DELETE CASCADE
) PARTITION BY HASH (project_key);
CREATE INDEX chunk_document ON chunk (project_key, document_key, ordinal) INCLUDE (key);

-- The passages' vectors: apart from the text, so that an exact search reads vectors only, and so that a table made with
-- another model can take this one's place.
CREATE TABLE embedding (
    project_key  integer NOT NULL,
    chunk_key    bigint NOT NULL,
    document_key bigint NOT NULL,
    vector       halfvec(384) NOT NULL,
    PRIMARY KEY (project_key, chunk_key),
    FOREIGN KEY (project_key, chunk_key) REFERENCES chunk ON DELETE CASCADE
) PARTITION BY HASH (project_key);
CREATE INDEX embedding_document ON embedding (project_key, document_key);
-- Vectors are normalized, so inner product orders as cosine does, and costs less.
CREATE INDEX embedding_nearest ON embedding USING hnsw (vector halfvec_ip_ops) WITH (m = 16, ef_construction = 64);

-- The inverted index for BM25: PostgreSQL's own ranking does not know how rare a word is. A row holds up to 256 passages
-- with a term, compressed (documents/src/index/block.rs).
CREATE TABLE posting (
    project_key integer NOT NULL,
    term        text COLLATE "C" NOT NULL,
    -- The smallest and the largest chunk.key in the row. Rows of one term may overlap.
    first       bigint NOT NULL,
    last        bigint NOT NULL,
    passages    integer NOT NULL,
    -- What bounds the weight of the term in these passages.
    best        bytea NOT NULL,
    data        bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (project_key, term, first)
) PARTITION BY HASH (project_key);

-- The words of documents that are not yet merged into `posting`: one row a document, or slice of a long one. A commit
-- writes here, so that it touches no row that another commit touches.
CREATE TABLE posting_pending (
    project_key  integer NOT NULL,
    document_key bigint NOT NULL,
    -- The ordinal of its first passage.
    first        integer NOT NULL,
    passages     integer NOT NULL,
    data         bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (project_key, document_key, first)
);

-- Passages that are gone but still stand in `posting`, until it is purged of them.
CREATE TABLE posting_dead (
    project_key integer NOT NULL,
    chunk_key   bigint NOT NULL,
    PRIMARY KEY (project_key, chunk_key)
);

-- One project's rows are all in one partition, and statements name their projects, so that each touches its partitions
-- only. More partitions would make a search in all projects slower: it looks into each.
DO $$
DECLARE
    partitioned text;
BEGIN
    FOREACH partitioned IN ARRAY ARRAY['chunk', 'embedding', 'posting'] LOOP
        FOR remainder IN 0..7 LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 8, REMAINDER %s)',
                           partitioned || '_' || remainder, partitioned, remainder);
        END LOOP;
    END LOOP;
END $$;

-- Which model made the vectors. One row: vectors of two models do not compare.
CREATE TABLE embedding_model (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    name       text NOT NULL,
    digest     text NOT NULL,
    dimension  integer NOT NULL,
    registered timestamptz NOT NULL DEFAULT now()
);

-- What only the services know. The ingest workers make the ids of their messages with it: an event producer that could guess
-- such an id could publish a message under it first, and JetStream would drop the worker's as a repetition.
CREATE TABLE installation (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    secret   uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO installation DEFAULT VALUES;
