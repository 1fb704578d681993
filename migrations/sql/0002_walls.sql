-- Row-level security separates the projects: a service sees only the projects that its transaction has named.
--
-- At the start of each transaction a worker sets its role, whatever user it logged in as, and its scope:
-- set_config('acorag.scope', '["project id", …]' or '*', true). Without a scope it sees no rows.

DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['acorag_ingest', 'acorag_query'] LOOP
        -- If the migrating user may not create roles, ops/postgres/roles.sql has created them. In development the user
        -- may, and the services log in as the same user. Roles belong to the cluster, not to the database, so another
        -- migration may create them at the same time.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = service) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', service);
                EXECUTE format('GRANT %I TO CURRENT_USER', service);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', service);
    END LOOP;
END $$;

-- Returns the ids of the projects in scope; null means all projects.
CREATE FUNCTION acorag_scope() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE current_setting('acorag.scope', true)
        WHEN '*' THEN NULL
        WHEN '' THEN '{}'
        ELSE ARRAY(SELECT jsonb_array_elements_text(coalesce(current_setting('acorag.scope', true), '[]')::jsonb))
    END
$$;

-- Returns the keys of the projects in scope. Policies call it in a sub-select, so that it runs once per statement and
-- table. A search looks the keys up once and notes them in its transaction (documents/src/scope.rs); elsewhere they are
-- looked up here. PL/pgSQL, because SQL functions that are not inlined start an executor for each call.
CREATE FUNCTION acorag_projects() RETURNS integer[] LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    noted text := current_setting('acorag.projects', true);
BEGIN
    IF noted <> '' THEN
        RETURN noted::integer[];
    END IF;
    RETURN (SELECT coalesce(array_agg(key), '{}') FROM project);
END $$;

ALTER TABLE project ENABLE ROW LEVEL SECURITY;
ALTER TABLE document ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE chunk ENABLE ROW LEVEL SECURITY;
ALTER TABLE embedding ENABLE ROW LEVEL SECURITY;
ALTER TABLE sentence ENABLE ROW LEVEL SECURITY;
ALTER TABLE posting ENABLE ROW LEVEL SECURITY;
ALTER TABLE posting_pending ENABLE ROW LEVEL SECURITY;
ALTER TABLE posting_dead ENABLE ROW LEVEL SECURITY;

CREATE POLICY walls ON project
    USING ((SELECT current_setting('acorag.scope', true)) = '*' OR id = ANY ((SELECT acorag_scope())::text[]));
CREATE POLICY walls ON document USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON import_record USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON chunk USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON embedding USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON sentence USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON posting_pending USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON posting_dead USING (project_key = ANY ((SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON posting USING (project_key = ANY ((SELECT acorag_projects())::integer[]));

GRANT SELECT ON project, document, document_view, import_record, chunk, embedding, sentence, posting, posting_pending,
                posting_dead, embedding_model TO acorag_query;
GRANT SELECT, INSERT, UPDATE ON project, document TO acorag_ingest;
GRANT SELECT, UPDATE (answering) ON embedding_model TO acorag_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON import_record TO acorag_ingest;
GRANT SELECT, INSERT, DELETE ON chunk, embedding, sentence TO acorag_ingest;
-- A merge locks its rows with FOR UPDATE, which needs the right to update.
GRANT SELECT, INSERT, UPDATE, DELETE ON posting, posting_pending, posting_dead TO acorag_ingest;
GRANT SELECT ON installation TO acorag_ingest;

-- Adds a model, with the tables of its vectors and their index, and returns its number; a model that is already there
-- keeps its number. The first model is the answering one. The tables are attached when they are complete, which stops no
-- search.
CREATE FUNCTION acorag_add_model(of_name text, of_digest text, of_dimension integer) RETURNS smallint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    added smallint;
    of_model text;
    part text;
BEGIN
    LOCK TABLE embedding_model IN SHARE ROW EXCLUSIVE MODE;
    SELECT number INTO added FROM embedding_model WHERE digest = of_digest;
    IF added IS NOT NULL THEN
        RETURN added;
    END IF;
    IF (SELECT count(*) FROM embedding_model) >= 2 THEN
        RAISE EXCEPTION 'there are two models already: drop one first' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    INSERT INTO embedding_model (name, digest, dimension, answering)
    VALUES (of_name, of_digest, of_dimension, NOT EXISTS (SELECT FROM embedding_model)) RETURNING number INTO added;
    FOREACH of_model IN ARRAY ARRAY['embedding', 'sentence'] LOOP
        part := format('%s_%s', of_model, added);
        EXECUTE format('CREATE TABLE public.%s (LIKE %s INCLUDING STORAGE, CHECK (model = %s)) PARTITION BY HASH (project_key)',
                       part, of_model, added);
        FOR remainder IN 0..7 LOOP
            EXECUTE format('CREATE TABLE public.%s_%s PARTITION OF %s FOR VALUES WITH (MODULUS 8, REMAINDER %s)',
                           part, remainder, part, remainder);
        END LOOP;
        EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (project_key, chunk_key)', part);
        IF of_model = 'embedding' THEN
            EXECUTE format('CREATE INDEX %s_document ON %s (project_key, model, document_key)', part, part);
            -- Vectors are normalized, so the inner product gives the same order as the cosine, at lower cost.
            EXECUTE format('CREATE INDEX %s_nearest ON %s USING hnsw ((vector::halfvec(%s)) halfvec_ip_ops)
                            WITH (m = 16, ef_construction = 64)', part, part, of_dimension);
        END IF;
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%s)', of_model, part, added);
    END LOOP;
    RETURN added;
END $$;

-- Drops a model and its vectors.
CREATE FUNCTION acorag_drop_model(of_number smallint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (SELECT answering FROM embedding_model WHERE number = of_number FOR UPDATE) IS DISTINCT FROM false THEN
        RAISE EXCEPTION 'the answering model cannot be dropped' USING ERRCODE = 'object_in_use';
    END IF;
    EXECUTE format('DROP TABLE public.embedding_%s, public.sentence_%s', of_number, of_number);
    DELETE FROM embedding_model WHERE number = of_number;
END $$;

REVOKE ALL ON FUNCTION acorag_add_model, acorag_drop_model FROM PUBLIC;
GRANT EXECUTE ON FUNCTION acorag_add_model, acorag_drop_model TO acorag_ingest;
