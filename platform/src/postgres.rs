//! The PostgreSQL pool, with the knobs of the old system's pool.

use std::time::Duration;

use anyhow::Context as _;
use schemas::Scope;
use sqlx::{
    PgPool, Postgres, Transaction,
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

/// Opens a transaction that sees only the projects of `scope`, whatever its statements say: row-level security reads
/// the setting (migrations/sql/0002_walls.sql).
pub async fn begin(pool: &PgPool, scope: &Scope) -> sqlx::Result<Transaction<'static, Postgres>> {
    Box::pin(begin_with(pool, scope, None)).await
}

/// The same for work that has only so much time: the server stops a statement that takes longer, so that its connection
/// is of use to others again.
pub async fn begin_within(
    pool: &PgPool,
    scope: &Scope,
    time: Duration,
) -> sqlx::Result<Transaction<'static, Postgres>> {
    // 0 would be no limit at all.
    Box::pin(begin_with(pool, scope, Some(time.as_millis().max(1).to_string()))).await
}

/// Callers box it: they are many, and each one's future would be as large as this.
async fn begin_with(
    pool: &PgPool,
    scope: &Scope,
    statement_timeout: Option<String>,
) -> sqlx::Result<Transaction<'static, Postgres>> {
    let scope = match scope {
        Scope::All => "*".to_owned(),
        Scope::Projects(projects) => {
            serde_json::to_string(projects).map_err(|error| sqlx::Error::Encode(error.into()))?
        }
    };
    let mut transaction = pool.begin().await?;
    // In one round trip.
    sqlx::query(
        "SELECT set_config('acorag.scope', $1, true),
                CASE WHEN $2::text IS NOT NULL THEN set_config('statement_timeout', $2, true) END",
    )
    .bind(scope)
    .bind(statement_timeout)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction)
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
