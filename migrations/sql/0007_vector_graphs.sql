-- A denser graph of neighbours: with ef_construction = 128 a search among a million vectors found 0.94 of the ten nearest, with 64
-- only 0.88, and making the index takes about half as long again (docs/scale.md). Existing indexes keep their graph until they
-- are made again; what is added to them is connected better.
-- Whoever asks for a lock waits behind this one, so it is given up soon and asked for again (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
DO $$
DECLARE
    existing regclass;
BEGIN
    EXECUTE replace(pg_get_functiondef('acorag_add_model'::regproc), 'ef_construction = 64', 'ef_construction = 128');
    -- An index that is being made now keeps its old option.
    FOR existing IN SELECT c.oid FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN pg_index i ON i.indexrelid = c.oid
                    WHERE a.amname = 'hnsw' AND c.relkind = 'i' AND c.relnamespace = 'public'::regnamespace AND i.indisvalid LOOP
        EXECUTE format('ALTER INDEX %s SET (ef_construction = 128)', existing);
    END LOOP;
END $$;
