-- The policies of 0002_walls.sql could be used as conditions of an index. The planner does not know how many projects a
-- transaction has named, so it took such a condition for expensive, and in a database with one large and many small
-- projects it found a document by its key through another index, which meant reading all documents of the large project.
-- With OR they are plain filters. Statements name their projects themselves, so they need no help from the policies; and in
-- all projects, the filter compares no list.
-- Whoever asks for a lock waits behind this one, so it is given up soon and asked for again (migrations/src/lib.rs).
SET LOCAL lock_timeout = '500ms';
DO $$
DECLARE
    separated text;
BEGIN
    FOREACH separated IN ARRAY ARRAY['document', 'import_record', 'chunk', 'embedding', 'sentence', 'posting',
                                     'posting_pending', 'posting_dead'] LOOP
        EXECUTE format('ALTER POLICY walls ON %I USING ((SELECT current_setting(''acorag.scope'', true)) = ''*''
                                                         OR project_key = ANY ((SELECT acorag_projects())::integer[]))',
                       separated);
    END LOOP;
END $$;
