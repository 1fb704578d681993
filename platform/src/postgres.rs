//! The PostgreSQL connection pool, with the same settings as the pool of the system that acorag replaces.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::Context as _;
use sqlx::{
    AssertSqlSafe, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::Instrument as _;

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// URL of PostgreSQL, which needs pgvector and the schema that acorag-migrate creates.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Connections of the pool. A worker needs about one for each message it handles, so far fewer than one for each
    /// client.
    #[arg(long, env = "DB_POOL_SIZE", default_value_t = 8)]
    pub db_pool_size: u32,
    /// Additional connections above DB_POOL_SIZE under load; they are closed when idle.
    #[arg(long, env = "DB_MAX_OVERFLOW", default_value_t = 8)]
    pub db_max_overflow: u32,
    /// Maximum wait for a free connection, in seconds.
    #[arg(long, env = "DB_POOL_TIMEOUT", default_value_t = 30)]
    pub db_pool_timeout: u64,
    /// Age at which a connection is replaced, in seconds.
    #[arg(long, env = "DB_POOL_RECYCLE", default_value_t = 3600)]
    pub db_pool_recycle: u64,
    /// Check a connection that was idle for more than a second before it is used.
    #[arg(long, env = "DB_POOL_PRE_PING", default_value_t = true, action = clap::ArgAction::Set)]
    pub db_pool_pre_ping: bool,
    /// Maximum duration of one statement, in seconds.
    #[arg(long, env = "DB_STATEMENT_TIMEOUT", default_value_t = 30)]
    pub db_statement_timeout: u64,
}

/// A connection that was used more recently than this is taken without a check, which costs a round trip.
const RECENT: Duration = Duration::from_secs(1);
/// An idle connection is closed after this time.
const IDLE: Duration = Duration::from_secs(60);

/// DB_STATEMENT_TIMEOUT of this process, in milliseconds: [`begin`] sets it in each transaction.
static STATEMENT_TIMEOUT: AtomicU64 = AtomicU64::new(30_000);

impl Config {
    /// Connects the pool. The connections get no settings: a pooler in transaction mode gives each transaction another
    /// connection, so [`begin`] sets everything in the transaction.
    pub async fn connect(&self, service: &str) -> anyhow::Result<PgPool> {
        STATEMENT_TIMEOUT.store(self.db_statement_timeout.saturating_mul(1_000), Ordering::Relaxed);
        let options = self
            .database_url
            .parse::<PgConnectOptions>()
            .context("DATABASE_URL is not a PostgreSQL URL (postgres://user:password@host:port/database)")?
            .application_name(service);
        let pre_ping = self.db_pool_pre_ping;
        PgPoolOptions::new()
            .min_connections(1)
            .max_connections(self.db_pool_size + self.db_max_overflow)
            .acquire_timeout(Duration::from_secs(self.db_pool_timeout))
            .max_lifetime(Duration::from_secs(self.db_pool_recycle))
            .idle_timeout(IDLE)
            .test_before_acquire(false)
            .before_acquire(move |connection, known| {
                Box::pin(async move {
                    let check = pre_ping && known.idle_for > RECENT;
                    // This fails also if the connection is inside a transaction that has failed.
                    Ok(!check || sqlx::query("SELECT 1").execute(connection).await.is_ok())
                })
            })
            .connect_with(options)
            .await
            .context("DATABASE_URL: cannot connect to PostgreSQL")
    }
}

/// Begins a transaction with `settings` that apply only inside it, `role` among them. The time limit of statements is
/// DB_STATEMENT_TIMEOUT unless `settings` contains another. Callers box this future: otherwise each of the many calling
/// futures would contain its size.
pub async fn begin(
    pool: &PgPool,
    mode: Mode,
    settings: &[(&'static str, &str)],
) -> sqlx::Result<Transaction<'static, Postgres>> {
    // BEGIN and all settings are one round trip, which does not support parameters. Values are encoded in hexadecimal,
    // so that no value can end the string literal.
    if settings.iter().any(|(_, value)| value.contains('\0')) {
        return Err(sqlx::Error::Encode("a setting contains a NUL character".into()));
    }
    let timeout = STATEMENT_TIMEOUT.load(Ordering::Relaxed).to_string();
    let all = [("statement_timeout", timeout.as_str())].into_iter().chain(settings.iter().copied());
    let set = all.map(|(name, value)| {
        format!("set_config('{name}', convert_from('\\x{}', 'UTF8'), true)", schemas::text::hex(value))
    });
    let begin = match mode {
        Mode::Write => "BEGIN",
        Mode::ReadOneMoment => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    };
    let statement = format!("{begin}; SELECT {}", set.collect::<Vec<_>>().join(", "));
    // In a task of its own, so that it also ends when the caller stops waiting, as a search does whose time is over. A
    // connection abandoned between BEGIN and its answer would return to the pool inside a transaction.
    let pool = pool.clone();
    let beginning = async move { pool.begin_with(AssertSqlSafe(statement)).await }.in_current_span();
    tokio::spawn(beginning).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// The kind of a transaction.
#[derive(Debug, Clone, Copy)]
pub enum Mode {
    /// Each statement sees what was committed before the statement began.
    Write,
    /// All statements see what was committed before the first one began; changes are not allowed.
    ReadOneMoment,
}

/// The readiness check.
pub async fn check(pool: PgPool) -> Result<(), String> {
    sqlx::query("SELECT 1").execute(&pool).await.map(|_| ()).map_err(|_| "not reachable".to_owned())
}

/// Whether a retry can help: the connection or the server failed, not the statement.
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        // Connection exceptions, transaction rollbacks (deadlock, serialization), insufficient resources, operator
        // intervention (shutdown, cancel), system errors.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}
