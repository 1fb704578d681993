//! The SQL of accounts. The worker may only ask by token, address or id (migrations/sql/0003_accounts.sql).

use chrono::{DateTime, Utc};
use schemas::{
    ProjectId, Scope,
    account::{Caller, CallerLimits, Role, Session, User},
};
use sqlx::{PgConnection, PgPool};

use super::token;
use crate::scope::begin_without_projects;

type CallerRow = (String, Option<String>, String, String, Option<Vec<String>>, serde_json::Value);

/// Returns the caller to whom a token belongs, by the token's SHA-256 in hexadecimal.
pub async fn caller(pool: &PgPool, token_sha256: &str) -> sqlx::Result<Option<Caller>> {
    let Some(token) = digest(token_sha256) else { return Ok(None) };
    let mut transaction = begin_without_projects(pool, &[("acorag.token", &token)]).await?;
    let row: Option<CallerRow> = sqlx::query_as(
        "SELECT 'key:' || id AS id, NULL AS user_id, name, role, projects, limits
         FROM api_key
         WHERE token_sha256 = decode($1, 'hex') AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
         UNION ALL
         SELECT 'user:' || a.id, a.id, coalesce(nullif(a.full_name, ''), a.email), a.role, a.projects, '{}'::jsonb
         FROM login_session s JOIN account a ON a.id = s.account_id
         WHERE s.token_sha256 = decode($1, 'hex') AND s.expires_at > now() AND NOT a.disabled
         LIMIT 1",
    )
    .bind(&token)
    .fetch_optional(&mut *transaction)
    .await?;
    Ok(row.and_then(|(id, user_id, name, role, projects, limits)| {
        let scope = match projects {
            None => Scope::All,
            Some(projects) => Scope::Projects(projects.iter().filter_map(|id| id.parse().ok()).collect()),
        };
        let limits = serde_json::from_value(limits).unwrap_or_else(|error| {
            // The key continues to work, with the common limits.
            tracing::error!(%error, caller = id, "the stored limits cannot be read");
            CallerLimits::default()
        });
        Some(Caller { role: Role::from_name(&role)?, id, user_id, name, scope, limits })
    }))
}

fn digest(token_sha256: &str) -> Option<String> {
    let whole = token_sha256.len() == 64 && token_sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| token_sha256.to_ascii_lowercase())
}

/// Ends the session of this token. Returns false when the token belongs to no session.
pub async fn close_session(pool: &PgPool, token_sha256: &str) -> sqlx::Result<bool> {
    let Some(token) = digest(token_sha256) else { return Ok(false) };
    let mut transaction = begin_without_projects(pool, &[("acorag.token", &token)]).await?;
    let deleted = sqlx::query("DELETE FROM login_session WHERE token_sha256 = decode($1, 'hex')")
        .bind(&token)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(deleted.rows_affected() > 0)
}

/// Returns the account with this address or id and the hash of its password, unless the account is disabled.
pub async fn account(pool: &PgPool, name: &str) -> sqlx::Result<Option<(User, String)>> {
    let mut transaction = begin_without_projects(pool, &[("acorag.account", name)]).await?;
    let row: Option<(String, String, String, DateTime<Utc>, String)> = sqlx::query_as(
        "SELECT id, email, full_name, created_at, password_hash FROM account
         WHERE (email = $1 OR id = $1) AND NOT disabled",
    )
    .bind(name)
    .fetch_optional(&mut *transaction)
    .await?;
    Ok(row.map(|(id, email, full_name, created_at, hash)| (User { id, email, full_name, created_at }, hash)))
}

/// Creates the account of a session, which may read these projects, and opens the session. Returns false if the address
/// already has an account. Neither is stored without the other: the api repeats a registration that failed, and an
/// account that it left behind would look like somebody else's.
pub async fn register(
    pool: &PgPool,
    session: &Session,
    hash: &str,
    projects: &[ProjectId],
) -> sqlx::Result<bool> {
    let user = &session.user;
    let mut transaction = begin_without_projects(pool, &[]).await?;
    let inserted = sqlx::query(
        "INSERT INTO account (id, email, full_name, password_hash, role, projects, created_at)
         VALUES ($1, $2, $3, $4, 'read', $5, $6)",
    )
    .bind(&user.id)
    .bind(&user.email)
    .bind(&user.full_name)
    .bind(hash)
    .bind(projects.iter().map(ProjectId::as_str).collect::<Vec<_>>())
    .bind(user.created_at)
    .execute(&mut *transaction)
    .await;
    match inserted {
        Ok(_) => {}
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Ok(false),
        Err(error) => return Err(error),
    }
    insert_session(&mut transaction, session).await?;
    transaction.commit().await.map(|()| true)
}

/// Opens a session. Returns false if the account is disabled by now, or no longer has this hash of its password.
pub async fn open_session(pool: &PgPool, session: &Session, hash: &str) -> sqlx::Result<bool> {
    let account = session.user.id.as_str();
    let mut transaction = begin_without_projects(pool, &[("acorag.account", account)]).await?;
    // The foreign key locks the account. A command that changes it was first, and the check below sees its change; or it
    // waits, and then ends this session too.
    insert_session(&mut transaction, session).await?;
    let unchanged: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM account WHERE id = $1 AND password_hash = $2 AND NOT disabled)",
    )
    .bind(account)
    .bind(hash)
    .fetch_one(&mut *transaction)
    .await?;
    if unchanged {
        transaction.commit().await?;
    }
    Ok(unchanged)
}

async fn insert_session(tx: &mut PgConnection, session: &Session) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO login_session (token_sha256, account_id, expires_at) VALUES ($1, $2, $3)")
        .bind(token::digest(&session.access_token))
        .bind(&session.user.id)
        .bind(session.expires_at)
        .execute(tx)
        .await
        .map(drop)
}
