//! `users create | list | set | disable | enable | reset-password`.

use anyhow::{Context as _, anyhow, ensure};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use schemas::account::Register;
use sqlx::PgPool;

use super::{
    super::{password, token},
    Rights, lines, projects,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create an account, even if registration is closed; its first password is shown only once
    Create {
        email: String,
        #[arg(long, default_value = "")]
        full_name: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// Show all accounts
    List,
    /// Change the rights of an account
    Set {
        email: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// Disable an account and end its sessions at once
    Disable { email: String },
    /// Enable an account again
    Enable { email: String },
    /// Set a new password for an account, which is shown only once, and end its sessions
    ResetPassword { email: String },
}

pub async fn run(pool: &PgPool, command: Command) -> anyhow::Result<String> {
    let none = Change::default();
    let (email, wanted, done) = match command {
        Command::Create { email, full_name, rights } => return create(pool, email, full_name, &rights).await,
        Command::List => return list(pool).await,
        Command::Set { email, rights } => (email, Change { rights: Some(rights), ..none }, "changed"),
        Command::Disable { email } => (email, Change { disabled: Some(true), ..none }, "disabled"),
        Command::Enable { email } => (email, Change { disabled: Some(false), ..none }, "enabled"),
        Command::ResetPassword { email } => {
            let (password, hash) = new_password()?;
            change(pool, &email, Change { password_hash: Some(hash), ..none }, "changed").await?;
            return Ok(shown_once(&as_stored(&email), &password));
        }
    };
    change(pool, &email, wanted, done).await
}

async fn create(pool: &PgPool, email: String, full_name: String, rights: &Rights) -> anyhow::Result<String> {
    let (password, hash) = new_password()?;
    let account = Register { email, password, full_name };
    let account = account.checked().map_err(|problem| anyhow!(problem.detail.en))?;
    let created = sqlx::query(
        "INSERT INTO account (id, email, full_name, password_hash, role, projects)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email) DO NOTHING",
    )
    .bind(uuid::Uuid::now_v7().to_string())
    .bind(&account.email)
    .bind(&account.full_name)
    .bind(hash)
    .bind(rights.role.name())
    .bind(rights.projects())
    .execute(pool)
    .await?;
    ensure!(created.rows_affected() == 1, "there is an account of {} already", account.email);
    Ok(shown_once(&account.email, &account.password))
}

type Row = (String, String, String, Option<Vec<String>>, bool, DateTime<Utc>);

async fn list(pool: &PgPool) -> anyhow::Result<String> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT email, full_name, role, projects, disabled, created_at FROM account ORDER BY created_at",
    )
    .fetch_all(pool)
    .await?;
    let line = |(email, full_name, role, of, disabled, created): Row| {
        let state = if disabled { "disabled" } else { "active" };
        let created = created.format("%Y-%m-%d");
        format!("{email}  {role:<5}  {state}  made {created}  {full_name}  ({})", projects(of))
    };
    Ok(lines("accounts", rows.into_iter().map(line)))
}

/// Changes to an account; a field that is None stays unchanged.
#[derive(Default)]
struct Change {
    rights: Option<Rights>,
    disabled: Option<bool>,
    password_hash: Option<String>,
}

/// Changes an account and returns a message. If it is disabled or gets a new password, its sessions end.
async fn change(pool: &PgPool, email: &str, change: Change, done: &str) -> anyhow::Result<String> {
    let email = &as_stored(email);
    let mut transaction = pool.begin().await?;
    // Waits for sessions that are just being opened, so that they end too. An UPDATE alone would not wait.
    sqlx::query("SELECT id FROM account WHERE email = $1 FOR UPDATE")
        .bind(email)
        .execute(&mut *transaction)
        .await?;
    let changed = sqlx::query(
        "UPDATE account
         SET role = coalesce($2, role), projects = CASE WHEN $2 IS NULL THEN projects ELSE $3 END,
             disabled = coalesce($4, disabled), password_hash = coalesce($5, password_hash)
         WHERE email = $1",
    )
    .bind(email)
    .bind(change.rights.as_ref().map(|rights| rights.role.name()))
    .bind(change.rights.as_ref().and_then(Rights::projects))
    .bind(change.disabled)
    .bind(&change.password_hash)
    .execute(&mut *transaction)
    .await?;
    ensure!(changed.rows_affected() == 1, "there is no account of {email}");
    if change.disabled == Some(true) || change.password_hash.is_some() {
        sqlx::query("DELETE FROM login_session USING account WHERE account_id = id AND email = $1")
            .bind(email)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(format!("{email} is {done}\n"))
}

/// Returns an address as it is stored. PostgreSQL's lower() would leave accented letters as they are in some locales.
fn as_stored(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Returns a password and its hash.
fn new_password() -> anyhow::Result<(String, String)> {
    let password = token::new("").context("no random numbers from the system")?;
    let hash = password::hash(&password).context("the password could not be hashed")?;
    Ok((password, hash))
}

fn shown_once(email: &str, password: &str) -> String {
    format!(
        "email     {email}\npassword  {password}\n\nKeep the password now: it is not stored and cannot be shown again.\n"
    )
}
