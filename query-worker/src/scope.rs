//! What a transaction sees: the projects of its scope, and no others.

pub use platform::postgres::{begin, begin_within};
use schemas::Problem;
use sqlx::{Postgres, Transaction};

/// The role this worker takes on every connection; row-level security holds for it (migrations/sql/0002_walls.sql).
pub const ROLE: &str = "acorag_query";

/// The projects of a scope, with the sums that BM25 and the choice of plan need.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub struct Projects {
    pub keys: Vec<i32>,
    pub chunks: i64,
    pub terms: i64,
}

impl Projects {
    pub fn average_length(&self) -> f64 {
        if self.chunks == 0 { 1.0 } else { self.terms as f64 / self.chunks as f64 }
    }
}

/// The projects that the transaction's scope holds.
pub async fn projects(transaction: &mut Transaction<'_, Postgres>) -> sqlx::Result<Projects> {
    sqlx::query_as(
        "SELECT coalesce(array_agg(key), '{}') AS keys, coalesce(sum(chunks), 0)::bigint AS chunks,
                coalesce(sum(terms), 0)::bigint AS terms
         FROM project",
    )
    .fetch_one(&mut **transaction)
    .await
}

/// What the caller hears of a database error; the log hears the whole.
pub fn problem(error: &sqlx::Error) -> Problem {
    tracing::error!(error = %error, "database");
    if platform::postgres::is_transient(error) { Problem::unavailable() } else { Problem::internal() }
}
