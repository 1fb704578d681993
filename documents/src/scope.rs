//! A transaction sees only the projects of its scope. Row-level security (migrations/sql/0002_walls.sql) reads the
//! scope from the transaction's settings, so it applies to every statement.

use std::time::Duration;

use platform::postgres::Mode;
use schemas::Scope;
use sqlx::{PgPool, Postgres, Transaction};

/// The roles that the workers set on every connection; row-level security applies to both.
pub const INGEST_ROLE: &str = "acorag_ingest";
pub const QUERY_ROLE: &str = "acorag_query";

pub type Tx = Transaction<'static, Postgres>;

/// Opens a transaction that sees only the projects of `scope`.
pub async fn begin(pool: &PgPool, scope: &Scope) -> sqlx::Result<Tx> {
    Box::pin(begin_with(pool, Mode::Write, scope, None)).await
}

/// Opens a read-only transaction with one snapshot. The server cancels a statement that takes longer than `time`, so
/// that the connection becomes free for others.
pub async fn begin_reading(pool: &PgPool, scope: &Scope, time: Duration) -> sqlx::Result<Tx> {
    // 0 would mean no limit.
    Box::pin(begin_with(pool, Mode::ReadOneMoment, scope, Some(time.as_millis().max(1).to_string()))).await
}

async fn begin_with(
    pool: &PgPool,
    mode: Mode,
    scope: &Scope,
    statement_timeout: Option<String>,
) -> sqlx::Result<Tx> {
    let scope = match scope {
        Scope::All => "*".to_owned(),
        Scope::Projects(projects) => {
            serde_json::to_string(projects).map_err(|error| sqlx::Error::Encode(error.into()))?
        }
    };
    let mut settings = vec![("acorag.scope", scope.as_str())];
    settings.extend(statement_timeout.as_deref().map(|time| ("statement_timeout", time)));
    platform::postgres::begin(pool, mode, &settings).await
}

/// The projects of a scope, with the sums that BM25 and the choice of the search plan need.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub struct Projects {
    pub keys: Vec<i32>,
    /// Number of passages of each project, in the order of `keys`.
    sizes: Vec<i64>,
    /// Whether the scope is all projects.
    pub everything: bool,
    pub chunks: i64,
    pub terms: i64,
}

/// A project with at least this many passages has its own vector index, unless it makes up most of the index that it
/// shares with other projects.
pub const LARGE: i64 = 5_000;

impl Projects {
    /// Returns the keys of the large projects, and the keys of all other projects.
    pub fn by_size(&self) -> (Vec<i32>, Vec<i32>) {
        let sized = self.keys.iter().copied().zip(self.sizes.iter().copied());
        let (large, small): (Vec<_>, Vec<_>) = sized.partition(|(_, size)| *size >= LARGE);
        let keys = |sized: Vec<(i32, i64)>| sized.into_iter().map(|(key, _)| key).collect();
        (keys(large), keys(small))
    }

    /// Returns how many passages the projects have that are not large.
    pub fn in_small(&self) -> i64 {
        self.sizes.iter().filter(|size| **size < LARGE).sum()
    }

    pub fn average_length(&self) -> f64 {
        if self.chunks == 0 { 1.0 } else { self.terms as f64 / self.chunks as f64 }
    }
}

/// Returns the projects in the transaction's scope.
pub async fn projects(tx: &mut Transaction<'_, Postgres>) -> sqlx::Result<Projects> {
    sqlx::query_as(
        "SELECT coalesce(array_agg(key), '{}') AS keys, coalesce(array_agg(chunks), '{}') AS sizes,
                coalesce(current_setting('acorag.scope', true) = '*', false) AS everything,
                coalesce(sum(chunks), 0)::bigint AS chunks, coalesce(sum(terms), 0)::bigint AS terms
         FROM project",
    )
    .fetch_one(&mut **tx)
    .await
}
