//! `users create | list | set | disable | enable | reset-password`.

use anyhow::{Context as _, anyhow, ensure};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use schemas::account::Register;
use sqlx::PgPool;

use super::{
    super::{password, token},
    Rights, projects,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an account, whether registration is open or not; its first password is shown once
    Create {
        email: String,
        #[arg(long, default_value = "")]
        full_name: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// Show all accounts
    List,
    /// Change what an account may do
    Set {
        email: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// Lock an account and end its sessions, at once
    Disable { email: String },
    /// Unlock it
    Enable { email: String },
    /// Give an account a new password, shown once, and end its sessions
    ResetPassword { email: String },
}

pub async fn run(pool: &PgPool, command: Command) -> anyhow::Result<String> {
    match command {
        Command::Create { email, full_name, rights } => create(pool, email, full_name, &rights).await,
        Command::List => list(pool).await,
        Command::Set { email, rights } => set(pool, &email, &rights).await,
        Command::Disable { email } => disable(pool, &email, true).await,
        Command::Enable { email } => disable(pool, &email, false).await,
        Command::ResetPassword { email } => reset_password(pool, &email).await,
    }
}

async fn create(pool: &PgPool, email: String, full_name: String, rights: &Rights) -> anyhow::Result<String> {
    let password = new_password()?;
    let account =
        Register { email, password, full_name }.checked().map_err(|problem| anyhow!(problem.detail.en))?;
    let created = sqlx::query(
        "INSERT INTO account (id, email, full_name, password_hash, role, projects)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email) DO NOTHING",
    )
    .bind(uuid::Uuid::now_v7().to_string())
    .bind(&account.email)
    .bind(&account.full_name)
    .bind(hash(&account.password)?)
    .bind(rights.role.name())
    .bind(rights.projects())
    .execute(pool)
    .await
    .context(
        "storing the account: does DATABASE_URL name the owner of the tables, and has acorag-migrate run?",
    )?;
    ensure!(created.rows_affected() == 1, "there is an account of {} already", account.email);
    Ok(shown_once(&account.email, &account.password))
}

type UserRow = (String, String, String, Option<Vec<String>>, bool, DateTime<Utc>);

async fn list(pool: &PgPool) -> anyhow::Result<String> {
    let rows: Vec<UserRow> = sqlx::query_as(
        "SELECT email, full_name, role, projects, disabled, created_at FROM account ORDER BY created_at",
    )
    .fetch_all(pool)
    .await
    .context("reading the accounts")?;
    let mut text = String::new();
    for (email, full_name, role, of, disabled, created) in rows {
        let state = if disabled { "disabled" } else { "active" };
        text.push_str(&format!(
            "{email}  {role:<5}  {state}  made {}  {full_name}  ({})\n",
            created.format("%Y-%m-%d"),
            projects(of)
        ));
    }
    Ok(if text.is_empty() { "no accounts\n".to_owned() } else { text })
}

async fn set(pool: &PgPool, email: &str, rights: &Rights) -> anyhow::Result<String> {
    let changed = sqlx::query("UPDATE account SET role = $2, projects = $3 WHERE email = lower($1)")
        .bind(email)
        .bind(rights.role.name())
        .bind(rights.projects())
        .execute(pool)
        .await
        .context("changing the account")?;
    ensure!(changed.rows_affected() == 1, "there is no account of {email}");
    Ok(format!("{email} is changed\n"))
}

async fn disable(pool: &PgPool, email: &str, disabled: bool) -> anyhow::Result<String> {
    let mut transaction = pool.begin().await?;
    let changed = sqlx::query("UPDATE account SET disabled = $2 WHERE email = lower($1)")
        .bind(email)
        .bind(disabled)
        .execute(&mut *transaction)
        .await
        .context("changing the account")?;
    ensure!(changed.rows_affected() == 1, "there is no account of {email}");
    if disabled {
        end_sessions(&mut transaction, email).await?;
    }
    transaction.commit().await?;
    Ok(format!("{email} is {}\n", if disabled { "disabled" } else { "enabled" }))
}

async fn reset_password(pool: &PgPool, email: &str) -> anyhow::Result<String> {
    let password = new_password()?;
    let hash = hash(&password)?;
    let mut transaction = pool.begin().await?;
    let changed = sqlx::query("UPDATE account SET password_hash = $2 WHERE email = lower($1)")
        .bind(email)
        .bind(hash)
        .execute(&mut *transaction)
        .await
        .context("changing the account")?;
    ensure!(changed.rows_affected() == 1, "there is no account of {email}");
    end_sessions(&mut transaction, email).await?;
    transaction.commit().await?;
    Ok(shown_once(email, &password))
}

async fn end_sessions(
    transaction: &mut sqlx::Transaction<'_, sqlx::Postgres>,
    email: &str,
) -> anyhow::Result<()> {
    sqlx::query("DELETE FROM login_session USING account WHERE account_id = id AND email = lower($1)")
        .bind(email)
        .execute(&mut **transaction)
        .await
        .context("ending the account's sessions")?;
    Ok(())
}

fn new_password() -> anyhow::Result<String> {
    token::new("").context("no random numbers from the system")
}

fn hash(password: &str) -> anyhow::Result<String> {
    password::hash(password).context("the password could not be hashed")
}

fn shown_once(email: &str, password: &str) -> String {
    format!(
        "email     {email}\npassword  {password}\n\nKeep the password now: it is not stored and cannot be shown again.\n"
    )
}
