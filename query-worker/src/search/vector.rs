//! The vector leg: finds the passages nearest in meaning to the query.

use pgvector::HalfVector;
use sqlx::{Postgres, Transaction};

use super::Hit;
use crate::scope::Projects;

/// Maximum number of passages that the leg returns.
const NEAREST: i64 = 100;

/// Maximum total number of passages in small projects that are compared one by one. This is exact, and not slower than
/// the index that small projects share with others.
const EXACT: i64 = 20_000;
/// Maximum number of large projects that are searched one by one, so that each search can use the project's own index.
/// If there are more, one search uses the shared index for all of them.
const ONE_BY_ONE: usize = 16;
/// Maximum number of filtered documents whose passages are compared one by one.
const FEW_DOCUMENTS: usize = 2_000;

/// Returns the nearest passages; a hit's score is the cosine similarity. If one statement is enough, the hits also
/// include the passages `others`, whether they are near or not, which saves a look-up.
pub async fn find(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &Projects,
    vector: &[f32],
    documents: Option<&[i64]>,
    others: &[i64],
) -> sqlx::Result<Vec<Hit>> {
    let (large, small) = projects.by_size();
    let are_few = documents.is_some_and(|documents| documents.len() <= FEW_DOCUMENTS);
    if are_few || large.is_empty() && projects.chunks <= EXACT {
        return compare(transaction, &projects.keys, vector, documents, others).await;
    }
    if projects.everything || large.len() > ONE_BY_ONE {
        let named = (!projects.everything).then_some(&*projects.keys);
        return nearest(transaction, named, vector, documents, (&projects.keys, others)).await;
    }
    let mut hits = Vec::new();
    for project in &large {
        hits.extend(nearest(transaction, Some(&[*project]), vector, documents, NO_OTHERS).await?);
    }
    if projects.in_small() > EXACT {
        hits.extend(nearest(transaction, Some(&small), vector, documents, NO_OTHERS).await?);
    } else if !small.is_empty() {
        hits.extend(compare(transaction, &small, vector, documents, &[]).await?);
    }
    // A relaxed scan may return neighbours slightly out of order.
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    hits.truncate(usize::try_from(NEAREST).unwrap_or_default());
    Ok(hits)
}

/// Compares the query's vector with every passage, without an index.
async fn compare(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &[i32],
    vector: &[f32],
    documents: Option<&[i64]>,
    others: &[i64],
) -> sqlx::Result<Vec<Hit>> {
    // `+ 0` prevents the use of the index, which serves only an order by the bare expression.
    sqlx::query_as(
        "WITH nearest AS (
             SELECT chunk_key, document_key, (-(vector <#> $1))::real AS score FROM embedding
             WHERE project_key = ANY($2) AND ($3::bigint[] IS NULL OR document_key = ANY($3))
             ORDER BY (vector <#> $1) + 0 LIMIT $4)
         SELECT chunk_key, document_key, score FROM nearest
         UNION ALL
         SELECT chunk_key, document_key, (-(vector <#> $1))::real FROM embedding
         WHERE project_key = ANY($2) AND chunk_key = ANY($5)",
    )
    .bind(HalfVector::from_f32_slice(vector))
    .bind(projects)
    .bind(documents)
    .bind(NEAREST)
    .bind(others)
    .fetch_all(&mut **transaction)
    .await
}

const NO_OTHERS: (&[i32], &[i64]) = (&[], &[]);

/// Searches with an index: the project's own if only one project is named and has one, else the shared one. `others` are
/// further passages, and the projects that they are in.
async fn nearest(
    transaction: &mut Transaction<'_, Postgres>,
    projects: Option<&[i32]>,
    vector: &[f32],
    documents: Option<&[i64]>,
    others: (&[i32], &[i64]),
) -> sqlx::Result<Vec<Hit>> {
    // Materialized, because the limit must stay beside the bare order.
    sqlx::query_as(
        "WITH nearest AS MATERIALIZED (
             SELECT chunk_key, document_key, vector <#> $1 AS distance FROM embedding
             WHERE ($2::int[] IS NULL OR project_key = ANY($2)) AND ($3::bigint[] IS NULL OR document_key = ANY($3))
             ORDER BY vector <#> $1 LIMIT $4)
         SELECT chunk_key, document_key, (-distance)::real AS score FROM nearest
         UNION ALL
         SELECT chunk_key, document_key, (-(vector <#> $1))::real FROM embedding
         WHERE project_key = ANY($5) AND chunk_key = ANY($6)",
    )
    .bind(HalfVector::from_f32_slice(vector))
    .bind(projects)
    .bind(documents)
    .bind(NEAREST)
    .bind(others.0)
    .bind(others.1)
    .fetch_all(&mut **transaction)
    .await
}

/// Returns the documents of passages that the keyword leg found, and their similarity to the query's vector, if there
/// is one. Removed passages are left out.
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
