//! The vector leg: the passages nearest in meaning.

use pgvector::HalfVector;
use sqlx::{Postgres, Transaction};

use super::{CANDIDATES, Hit};
use crate::scope::Projects;

/// Up to this many passages are compared one by one: exact, and no slower than the index with a filter.
const EXACT: i64 = 10_000;

/// The nearest passages; a hit's score is the cosine similarity.
pub async fn find(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &Projects,
    vector: &[f32],
    documents: Option<&[i64]>,
) -> sqlx::Result<Vec<Hit>> {
    let query = if projects.chunks <= EXACT || documents.is_some() {
        // `+ 0` keeps the index out: it orders by the bare expression only.
        sqlx::query_as(
            "SELECT key AS chunk_key, document_key, (-(embedding <#> $1))::real AS score FROM chunk
             WHERE project_key = ANY($2) AND ($3::bigint[] IS NULL OR document_key = ANY($3))
             ORDER BY (embedding <#> $1) + 0 LIMIT $4",
        )
    } else {
        // Materialized, and ordered again outside: a relaxed scan may give neighbours slightly out of order.
        sqlx::query_as(
            "WITH nearest AS MATERIALIZED (
                 SELECT key, document_key, embedding <#> $1 AS distance FROM chunk
                 WHERE project_key = ANY($2) AND ($3::bigint[] IS NULL OR document_key = ANY($3))
                 ORDER BY embedding <#> $1 LIMIT $4)
             SELECT key AS chunk_key, document_key, (-distance)::real AS score FROM nearest ORDER BY distance",
        )
    };
    query
        .bind(HalfVector::from_f32_slice(vector))
        .bind(&projects.keys)
        .bind(documents)
        .bind(CANDIDATES)
        .fetch_all(&mut **transaction)
        .await
}

/// The similarities of passages that other legs found.
pub async fn similarities(
    transaction: &mut Transaction<'_, Postgres>,
    vector: &[f32],
    chunks: &[i64],
) -> sqlx::Result<Vec<Hit>> {
    if chunks.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as(
        "SELECT key AS chunk_key, document_key, (-(embedding <#> $1))::real AS score FROM chunk WHERE key = ANY($2)",
    )
    .bind(HalfVector::from_f32_slice(vector))
    .bind(chunks)
    .fetch_all(&mut **transaction)
    .await
}
