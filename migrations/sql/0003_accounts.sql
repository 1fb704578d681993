-- Who may what: API keys, user accounts and their login sessions.
--
-- These tables have walls of another kind. The query worker finds a key or a session only by the hash of its token, and
-- an account only by its address or by its session: it names what it looks for (acorag.token, acorag.account) and sees
-- nothing else. Keys and roles are given out by the commands of an operator, who connects as the tables' owner.

CREATE TABLE api_key (
    id           text PRIMARY KEY,
    name         text NOT NULL,
    token_sha256 bytea NOT NULL UNIQUE,
    role         text NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    -- The projects it may read, and write if its role says so; null for all.
    projects     text[],
    -- Rate limits of this key alone: {"search": "100/minute", …}.
    limits       jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz
);

CREATE TABLE account (
    id            text PRIMARY KEY,
    email         text NOT NULL UNIQUE,
    full_name     text NOT NULL DEFAULT '',
    -- argon2id, in PHC form: parameters and salt are in it.
    password_hash text NOT NULL,
    role          text NOT NULL DEFAULT 'read' CHECK (role IN ('read', 'write', 'admin')),
    projects      text[] DEFAULT '{}',
    disabled      boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE login_session (
    token_sha256 bytea PRIMARY KEY,
    account_id   text NOT NULL REFERENCES account ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX login_session_account ON login_session (account_id);
CREATE INDEX login_session_expiry ON login_session (expires_at);

ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE account ENABLE ROW LEVEL SECURITY;
ALTER TABLE login_session ENABLE ROW LEVEL SECURITY;

CREATE POLICY by_token ON api_key FOR SELECT
    USING (encode(token_sha256, 'hex') = (SELECT current_setting('acorag.token', true)));
CREATE POLICY by_token ON login_session FOR SELECT
    USING (encode(token_sha256, 'hex') = (SELECT current_setting('acorag.token', true)));
CREATE POLICY opened ON login_session FOR INSERT WITH CHECK (expires_at > now());
CREATE POLICY expired ON login_session FOR DELETE USING (expires_at < now());
CREATE POLICY closed ON login_session FOR DELETE
    USING (encode(token_sha256, 'hex') = (SELECT current_setting('acorag.token', true)));
CREATE POLICY by_name ON account FOR SELECT
    USING ((SELECT current_setting('acorag.account', true)) IN (email, id)
           -- The policy of login_session leaves the one session whose token was named.
           OR id IN (SELECT account_id FROM login_session));
-- Whoever registers can read what the operator opened to newcomers; more than that is given, not taken.
CREATE POLICY registered ON account FOR INSERT WITH CHECK (role = 'read' AND NOT disabled);

GRANT SELECT ON api_key TO acorag_query;
GRANT SELECT, INSERT ON account TO acorag_query;
GRANT SELECT, INSERT, DELETE ON login_session TO acorag_query;
