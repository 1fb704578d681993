-- Access rights: API keys, user accounts and their login sessions.
--
-- Row-level security works differently here. The query worker finds a key or a session only by the hash of its token,
-- and an account only by its address, its id or its session: it sets the value that it looks for (acorag.token,
-- acorag.account) and sees nothing else. Keys and roles are assigned by an operator's commands, which connect as the
-- tables' owner.

CREATE TABLE api_key (
    id           text PRIMARY KEY,
    name         text NOT NULL,
    token_sha256 bytea NOT NULL UNIQUE,
    role         text NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    -- The projects that the key may read and, if its role allows, write; null means all projects.
    projects     text[],
    -- Rate limits of this key only: {"search": "100/minute", …}.
    limits       jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz
);

CREATE TABLE account (
    id            text PRIMARY KEY,
    email         text NOT NULL UNIQUE,
    full_name     text NOT NULL DEFAULT '',
    -- argon2id in PHC format, which contains the parameters and the salt.
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
           -- The policy on login_session shows only the session whose token was set.
           OR id IN (SELECT account_id FROM login_session));
-- A new account can only read, in the projects that the operator opened to new accounts. Only an operator can give more
-- rights.
CREATE POLICY registered ON account FOR INSERT WITH CHECK (role = 'read' AND NOT disabled);

GRANT SELECT ON api_key TO acorag_query;
GRANT SELECT, INSERT ON account TO acorag_query;
GRANT SELECT, INSERT, DELETE ON login_session TO acorag_query;
