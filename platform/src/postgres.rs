//! The PostgreSQL pool, with the knobs of the old system's pool.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::{
    AssertSqlSafe, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// PostgreSQL, with pgvector and the schema that acorag-migrate makes.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Connections kept open. A worker needs about one per piece of work under way, so far fewer than one per client.
    #[arg(long, env = "DB_POOL_SIZE", default_value_t = 8)]
    pub db_pool_size: u32,
    /// Connections opened above DB_POOL_SIZE under load, and closed when idle.
    #[arg(long, env = "DB_MAX_OVERFLOW", default_value_t = 8)]
    pub db_max_overflow: u32,
    /// How long to wait for a free connection, in seconds.
    #[arg(long, env = "DB_POOL_TIMEOUT", default_value_t = 30)]
    pub db_pool_timeout: u64,
    /// Age at which a connection is replaced, in seconds.
    #[arg(long, env = "DB_POOL_RECYCLE", default_value_t = 3600)]
    pub db_pool_recycle: u64,
    /// Check a connection before it is used.
    #[arg(long, env = "DB_POOL_PRE_PING", default_value_t = true, action = clap::ArgAction::Set)]
    pub db_pool_pre_ping: bool,
    /// Longest time of one statement, in seconds.
    #[arg(long, env = "DB_STATEMENT_TIMEOUT", default_value_t = 30)]
    pub db_statement_timeout: u64,
}

/// Idle overflow connections live this long.
const IDLE: Duration = Duration::from_secs(60);

impl Config {
    /// Connects, with `settings` set on every connection (once a connection, not once a query).
    pub async fn connect(&self, service: &str, settings: &[(&str, &str)]) -> anyhow::Result<PgPool> {
        let timeout = format!("{}s", self.db_statement_timeout);
        let options = self
            .database_url
            .parse::<PgConnectOptions>()
            .context("DATABASE_URL is not a PostgreSQL URL (postgres://user:password@host:port/database)")?
            .application_name(service)
            .options([("statement_timeout", timeout.as_str())])
            .options(settings.iter().copied());
        PgPoolOptions::new()
            .min_connections(1)
            .max_connections(self.db_pool_size + self.db_max_overflow)
            .acquire_timeout(Duration::from_secs(self.db_pool_timeout))
            .max_lifetime(Duration::from_secs(self.db_pool_recycle))
            .idle_timeout(IDLE)
            .test_before_acquire(self.db_pool_pre_ping)
            .connect_with(options)
            .await
            .context("DATABASE_URL: cannot connect to PostgreSQL")
    }
}

/// Opens a transaction with settings of its own, which end with it. Callers box it: they are many, and each one's future
/// would be as large as this.
pub async fn begin(
    pool: &PgPool,
    mode: Mode,
    settings: &[(&'static str, &str)],
) -> sqlx::Result<Transaction<'static, Postgres>> {
    // In one round trip, which takes no parameters. A value is written in hexadecimal, so whatever is in it, it cannot end
    // the literal.
    let set = settings.iter().map(|(name, value)| {
        let value: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("set_config('{name}', convert_from('\\x{value}', 'UTF8'), true)")
    });
    let begin = match mode {
        Mode::Write => "BEGIN",
        Mode::ReadOneMoment => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    };
    let statement = format!("{begin}; SELECT {}", set.collect::<Vec<_>>().join(", "));
    pool.begin_with(AssertSqlSafe(statement)).await
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy)]
pub enum Mode {
    /// Each statement sees what is committed when it begins.
    Write,
    /// All statements see what was committed when the first one began, and change nothing.
    ReadOneMoment,
}

/// For readiness.
pub async fn check(pool: PgPool) -> Result<(), String> {
    sqlx::query("SELECT 1").execute(&pool).await.map(|_| ()).map_err(|_| "not reachable".to_owned())
}

/// Whether trying again can help: the connection or the server failed, not the statement.
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
