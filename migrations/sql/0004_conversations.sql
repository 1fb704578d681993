-- What users asked and thought: conversations, feedback, and the log of searches.
--
-- A row carries the projects it drew on, and is seen only by a scope that holds them all. A turn that drew on none (a
-- question where there was nothing to answer from) says nothing but what its owner said, who sees it; feedback and
-- searches of that kind are seen by the scope of everything alone.

CREATE TABLE turn (
    key             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The caller, named by acorag.caller: a conversation has one owner, and the same id under two owners is two.
    owner           text NOT NULL,
    conversation_id text NOT NULL,
    -- On whose behalf a client asked.
    user_id         text,
    -- With those of the earlier turns that its answer took into account.
    projects        integer[] NOT NULL,
    question        text NOT NULL,
    -- The question as it was understood, with what it left unsaid.
    understood      text NOT NULL,
    answer          text NOT NULL,
    -- As they were: a source that was replaced or deleted since stays what the answer rested on.
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
    -- Without case, accents and punctuation: how one search is known from another.
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
-- The text of searches is kept for 90 days; the service can delete what is older, and nothing else.
CREATE POLICY old ON search_log FOR DELETE USING (searched_at < now() - interval '90 days');

GRANT SELECT, INSERT ON turn, feedback TO acorag_query;
GRANT SELECT, INSERT, DELETE ON search_log TO acorag_query;

-- How titles and searches are compared with what somebody has typed so far. Spelled out, because an index needs it to
-- be immutable, and `unaccent` is not.
CREATE FUNCTION acorag_fold(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT translate(lower($1), 'áéíóúüñàèìòùç', 'aeiouunaeiouc')
$$;

-- What makes two searches the same: words without case, accents and punctuation.
CREATE FUNCTION acorag_search_key(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT btrim(regexp_replace(public.acorag_fold($1), '[^[:alnum:]]+', ' ', 'g'))
$$;
