//! The vector leg: the passages nearest in meaning.

use pgvector::HalfVector;
use sqlx::{Postgres, Transaction};

use super::Hit;
use crate::scope::Projects;

/// Passages that the leg brings.
const NEAREST: i64 = 100;

/// Small projects are compared passage by passage, up to so many passages together: that is exact, and beside other projects
/// no slower than the index that all of them share.
const EXACT: i64 = 20_000;
/// A large project's neighbours are looked for in the project alone, so that its own index serves. With more large projects
/// than this, the shared index is used once for all of them.
const ONE_BY_ONE: usize = 16;
/// The passages of up to so many documents are compared one by one.
const FEW_DOCUMENTS: usize = 2_000;

/// The nearest passages; a hit's score is the cosine similarity.
pub async fn find(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &Projects,
    vector: &[f32],
    documents: Option<&[i64]>,
) -> sqlx::Result<Vec<Hit>> {
    let (large, small) = projects.by_size();
    let are_few = documents.is_some_and(|documents| documents.len() <= FEW_DOCUMENTS);
    if are_few || large.is_empty() && projects.chunks <= EXACT {
        return compare(transaction, &projects.keys, vector, documents).await;
    }
    if projects.everything || large.len() > ONE_BY_ONE {
        let named = (!projects.everything).then_some(&*projects.keys);
        return nearest(transaction, named, vector, documents).await;
    }
    let mut hits = Vec::new();
    for project in &large {
        hits.extend(nearest(transaction, Some(&[*project]), vector, documents).await?);
    }
    if projects.in_small() > EXACT {
        hits.extend(nearest(transaction, Some(&small), vector, documents).await?);
    } else if !small.is_empty() {
        hits.extend(compare(transaction, &small, vector, documents).await?);
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    hits.truncate(usize::try_from(NEAREST).unwrap_or_default());
    Ok(hits)
}

/// Compares passage by passage.
async fn compare(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &[i32],
    vector: &[f32],
    documents: Option<&[i64]>,
) -> sqlx::Result<Vec<Hit>> {
    // `+ 0` keeps the index out: it orders by the bare expression only.
    sqlx::query_as(
        "SELECT chunk_key, document_key, (-(vector <#> $1))::real AS score FROM embedding
         WHERE project_key = ANY($2) AND ($3::bigint[] IS NULL OR document_key = ANY($3))
         ORDER BY (vector <#> $1) + 0 LIMIT $4",
    )
    .bind(HalfVector::from_f32_slice(vector))
    .bind(projects)
    .bind(documents)
    .bind(NEAREST)
    .fetch_all(&mut **transaction)
    .await
}

/// Follows an index: the project's own when one project is named that has one, else the shared one.
async fn nearest(
    transaction: &mut Transaction<'_, Postgres>,
    projects: Option<&[i32]>,
    vector: &[f32],
    documents: Option<&[i64]>,
) -> sqlx::Result<Vec<Hit>> {
    // Materialized, and ordered again outside: a relaxed scan may give neighbours slightly out of order.
    sqlx::query_as(
        "WITH nearest AS MATERIALIZED (
             SELECT chunk_key, document_key, vector <#> $1 AS distance FROM embedding
             WHERE ($2::int[] IS NULL OR project_key = ANY($2)) AND ($3::bigint[] IS NULL OR document_key = ANY($3))
             ORDER BY vector <#> $1 LIMIT $4)
         SELECT chunk_key, document_key, (-distance)::real AS score FROM nearest ORDER BY distance",
    )
    .bind(HalfVector::from_f32_slice(vector))
    .bind(projects)
    .bind(documents)
    .bind(NEAREST)
    .fetch_all(&mut **transaction)
    .await
}

/// The documents of passages that were found by their words, and how similar they are to the query's vector, if there is
/// one. A passage that is gone is not among them.
pub async fn look_up(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &Projects,
    vector: Option<&[f32]>,
    chunks: &[i64],
) -> sqlx::Result<Vec<(i64, i64, Option<f32>)>> {
    if chunks.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as(
        "SELECT chunk_key, document_key, (-(vector <#> $1))::real FROM embedding
         WHERE project_key = ANY($2) AND chunk_key = ANY($3)",
    )
    .bind(vector.map(HalfVector::from_f32_slice))
    .bind(&projects.keys)
    .bind(chunks)
    .fetch_all(&mut **transaction)
    .await
}
