-- Fewer links in the graph: with m = 12 and 151 neighbours a search finds as many of the ten nearest as with m = 16 and 132, in the
-- same time, and adding a vector takes a fifth less (docs/scale.md). Existing indexes keep their graph until they are made
-- again: until then a search in them compares a little more, and finds a little more.
-- Whoever asks for a lock waits behind this one, so it is given up soon and asked for again (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
DO $$
DECLARE
    existing regclass;
BEGIN
    EXECUTE replace(pg_get_functiondef('acorag_add_model'::regproc), 'm = 16', 'm = 12');
    -- An index that is being made now keeps its old option.
    FOR existing IN SELECT c.oid FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN pg_index i ON i.indexrelid = c.oid
                    WHERE a.amname = 'hnsw' AND c.relkind = 'i' AND c.relnamespace = 'public'::regnamespace AND i.indisvalid LOOP
        EXECUTE format('ALTER INDEX %s SET (m = 12)', existing);
    END LOOP;
END $$;
