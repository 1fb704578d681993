-- What users asked and how they rated answers: conversations, feedback and the log of searches.
--
-- A row names the projects that it used, and only a scope that contains all of them sees it. A turn that used none
-- (nothing was found to answer from) contains only what its owner wrote, and its owner sees it. Feedback and searches
-- without a project are visible only to the scope of all projects.

CREATE TABLE turn (
    key             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The caller, as set in acorag.caller. A conversation has one owner: the same id with two owners is two
    -- conversations.
    owner           text NOT NULL,
    conversation_id text NOT NULL,
    -- The user on whose behalf the client asked.
    user_id         text,
    -- The projects that the answer used, and those of the earlier turns that it took into account.
    projects        integer[] NOT NULL,
    question        text NOT NULL,
    -- The question as it was understood: a follow-up question is completed from earlier questions.
    understood      text NOT NULL,
    answer          text NOT NULL,
    -- The sources at the time of the answer. They stay, even if a source is replaced or deleted later.
    sources         jsonb NOT NULL,
    found           boolean NOT NULL,
    answered_by     text NOT NULL,
    asked_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX turn_conversation ON turn (owner, conversation_id, key);
CREATE INDEX turn_user ON turn (owner, user_id, key) WHERE user_id IS NOT NULL;

CREATE TABLE feedback (
    key             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner           text NOT NULL,
    conversation_id text NOT NULL,
    projects        integer[] NOT NULL,
    rating          smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
    comment         text NOT NULL DEFAULT '',
    given_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX feedback_newest ON feedback (given_at);

CREATE TABLE search_log (
    key         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    projects    integer[] NOT NULL,
    query       text NOT NULL,
    -- The query without case, accents and punctuation. Searches with the same value count as one search.
    folded      text NOT NULL,
    results     integer NOT NULL,
    times       integer NOT NULL DEFAULT 1,
    searched_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX search_log_newest ON search_log (searched_at);

ALTER TABLE turn ENABLE ROW LEVEL SECURITY;
ALTER TABLE feedback ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_log ENABLE ROW LEVEL SECURITY;

CREATE POLICY walls ON turn
    USING (owner = (SELECT current_setting('acorag.caller', true))
           AND ((SELECT current_setting('acorag.scope', true)) = '*'
                OR projects <@ (SELECT acorag_projects())::integer[]));
CREATE POLICY walls ON feedback FOR SELECT
    USING ((SELECT current_setting('acorag.scope', true)) = '*'
           OR (cardinality(projects) > 0 AND projects <@ (SELECT acorag_projects())::integer[]));
CREATE POLICY given ON feedback FOR INSERT
    WITH CHECK (owner = current_setting('acorag.caller', true));
CREATE POLICY walls ON search_log FOR SELECT
    USING ((SELECT current_setting('acorag.scope', true)) = '*'
           OR (cardinality(projects) > 0 AND projects <@ (SELECT acorag_projects())::integer[]));
CREATE POLICY logged ON search_log FOR INSERT WITH CHECK (true);
-- Searches are kept for 90 days; the service can delete older rows and no others.
CREATE POLICY old ON search_log FOR DELETE USING (searched_at < now() - interval '90 days');

GRANT SELECT, INSERT ON turn, feedback TO acorag_query;
GRANT SELECT, INSERT, DELETE ON search_log TO acorag_query;

-- Removes case and accents, to compare titles and searches with what a user has typed so far. The letters are listed
-- here because an index needs an immutable function, and `unaccent` is not immutable.
CREATE FUNCTION acorag_fold(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT translate(lower($1), 'áéíóúüñàèìòùç', 'aeiouunaeiouc')
$$;

-- Returns the words without case, accents and punctuation. Searches with the same result count as one search.
CREATE FUNCTION acorag_search_key(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT btrim(regexp_replace(public.acorag_fold($1), '[^[:alnum:]]+', ' ', 'g'))
$$;
