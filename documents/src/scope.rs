//! What a transaction sees: the projects of its scope, and no others. Row-level security (migrations/sql/0002_walls.sql)
//! reads the scope from the transaction's settings, whatever its statements say.

use std::time::Duration;

use platform::postgres::Mode;
use schemas::Scope;
use sqlx::{PgPool, Postgres, Transaction};

/// The roles that the workers take on every connection; row-level security holds for both.
pub const INGEST_ROLE: &str = "acorag_ingest";
pub const QUERY_ROLE: &str = "acorag_query";

pub type Tx = Transaction<'static, Postgres>;

/// Opens a transaction that sees only the projects of `scope`.
pub async fn begin(pool: &PgPool, scope: &Scope) -> sqlx::Result<Tx> {
    Box::pin(begin_with(pool, Mode::Write, scope, None)).await
}

/// The same for reading one moment, by work that has only so much time: the server stops a statement that takes longer,
/// so that its connection is of use to others again.
pub async fn begin_reading(pool: &PgPool, scope: &Scope, time: Duration) -> sqlx::Result<Tx> {
    // 0 would be no limit at all.
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

/// The projects of a scope, with the sums that BM25 and the choice of plan need.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub struct Projects {
    pub keys: Vec<i32>,
    /// The passages of each.
    sizes: Vec<i64>,
    /// Whether these are all projects that there are.
    pub everything: bool,
    pub chunks: i64,
    pub terms: i64,
}

/// A project of so many passages has its own index of their vectors, unless the index that it shares with other projects
/// holds little else.
pub const LARGE: i64 = 5_000;

impl Projects {
    /// The large projects, and the others.
    pub fn by_size(&self) -> (Vec<i32>, Vec<i32>) {
        let sized = self.keys.iter().copied().zip(self.sizes.iter().copied());
        let (large, small): (Vec<_>, Vec<_>) = sized.partition(|(_, size)| *size >= LARGE);
        let keys = |sized: Vec<(i32, i64)>| sized.into_iter().map(|(key, _)| key).collect();
        (keys(large), keys(small))
    }

    /// How many passages the projects have that are not large.
    pub fn in_small(&self) -> i64 {
        self.sizes.iter().filter(|size| **size < LARGE).sum()
    }

    pub fn average_length(&self) -> f64 {
        if self.chunks == 0 { 1.0 } else { self.terms as f64 / self.chunks as f64 }
    }
}

/// The projects that the transaction's scope holds.
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
