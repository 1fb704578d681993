//! `keys create | list | revoke`.

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Subcommand;
use schemas::{account::CallerLimits, limit::Limit, metadata::parse_date};
use serde_json::json;
use sqlx::PgPool;

use super::{super::token, Rights, lines, projects};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a key; its token is shown only once
    Create(Box<Create>),
    /// Show all keys, without their tokens
    List,
    /// Revoke a key at once and permanently
    Revoke {
        /// The id of the key, as `list` shows it
        id: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// The name of the key, for example the program that uses it
    #[arg(long)]
    name: String,
    #[command(flatten)]
    rights: Rights,
    /// Rate limit for searches with this key, instead of the common one: "500/minute", or "off" for no limit
    #[arg(long)]
    limit_search: Option<Limit>,
    /// Rate limit for chats with this key
    #[arg(long)]
    limit_chat: Option<Limit>,
    /// Rate limit for uploads with this key
    #[arg(long)]
    limit_upload: Option<Limit>,
    /// When the key expires: a date (2027-01-31, RFC 3339) or a number of days (90d)
    #[arg(long, value_parser = parse_expiry)]
    expires: Option<DateTime<Utc>>,
}

pub async fn run(pool: &PgPool, command: Command) -> anyhow::Result<String> {
    match command {
        Command::Create(create) => self::create(pool, *create).await,
        Command::List => list(pool).await,
        Command::Revoke { id } => revoke(pool, &id).await,
    }
}

async fn create(pool: &PgPool, create: Create) -> anyhow::Result<String> {
    let token = token::new(token::KEY).context("no random numbers from the system")?;
    let id = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
    let limits = [create.limit_search, create.limit_chat, create.limit_upload];
    let [search, chat, upload] = limits.map(|limit| limit.map(|limit| limit.to_string()));
    let limits = CallerLimits { search, chat, upload };
    sqlx::query(
        "INSERT INTO api_key (id, name, token_sha256, role, projects, limits, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&id)
    .bind(&create.name)
    .bind(token::digest(&token))
    .bind(create.rights.role.name())
    .bind(create.rights.projects())
    .bind(serde_json::to_value(limits)?)
    .bind(create.expires)
    .execute(pool)
    .await?;
    Ok(format!(
        "id     {id}\ntoken  {token}\n\nKeep the token now: it is not stored and cannot be shown again.\n"
    ))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    role: String,
    projects: Option<Vec<String>>,
    limits: serde_json::Value,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

async fn list(pool: &PgPool) -> anyhow::Result<String> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, name, role, projects, limits, created_at, expires_at, revoked_at FROM api_key ORDER BY created_at",
    )
    .fetch_all(pool)
    .await?;
    let line = |key: Row| {
        let state = match (key.revoked_at, key.expires_at) {
            (Some(at), _) => format!("revoked {}", at.format("%Y-%m-%d %H:%M")),
            (None, Some(at)) if at <= Utc::now() => format!("expired {}", at.format("%Y-%m-%d")),
            (None, Some(at)) => format!("until {}", at.format("%Y-%m-%d")),
            (None, None) => "active".to_owned(),
        };
        let limits = if key.limits == json!({}) { String::new() } else { format!("  limits {}", key.limits) };
        let Row { id, role, name, created_at, .. } = key;
        let created = created_at.format("%Y-%m-%d");
        format!("{id}  {role:<5}  {state}  made {created}  {name}  ({}){limits}", projects(key.projects))
    };
    Ok(lines("keys", rows.into_iter().map(line)))
}

async fn revoke(pool: &PgPool, id: &str) -> anyhow::Result<String> {
    let revoked = sqlx::query("UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1")
        .bind(id)
        .execute(pool)
        .await?;
    ensure!(revoked.rows_affected() == 1, "there is no key {id}; `keys list` shows their ids");
    Ok(format!("{id} is revoked\n"))
}

fn parse_expiry(text: &str) -> Result<DateTime<Utc>, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok());
    let at = days.map(|days| Utc::now() + TimeDelta::days(i64::from(days))).or_else(|| parse_date(text));
    match at {
        Some(at) if at > Utc::now() => Ok(at),
        Some(_) => Err("that is in the past".into()),
        None => Err("a date such as 2027-01-31, or days from now such as 90d".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_checked() {
        assert!(parse_expiry("90d").is_ok() && parse_expiry("2999-01-01").is_ok());
        assert!(parse_expiry("2020-01-01").is_err() && parse_expiry("soon").is_err());
    }
}
