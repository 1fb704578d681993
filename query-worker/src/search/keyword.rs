//! The keyword leg: BM25 over the inverted index, and whole or partial document numbers.

use analysis::{
    bm25,
    codes::{self, normalize},
    terms::QueryTerm,
};
use documents::index::{self, Query};
use sqlx::PgConnection;

use super::{CANDIDATES, Hit, Place, fuse::up_to_one};
use crate::scope::Projects;

/// A word's weight in a passage is below this; in an average passage that has it once it is 1.
const MOST: f32 = bm25::K1 as f32 + 1.0;

/// What the words and numbers of a query found.
#[derive(Debug, Default)]
pub struct Keywords {
    /// Passages found by BM25. The score is a share (0 to 1) of the score of a passage with every word of the query.
    pub passages: Vec<index::Found>,
    /// First passages of documents whose number the query names. The score is the share of the number that it names.
    pub numbers: Vec<Hit>,
    /// How rare each word of the query is among the passages of the scope (BM25's idf).
    pub rarity: Vec<f32>,
}

impl Keywords {
    pub fn places(&self) -> Vec<Place> {
        let of_numbers = self.numbers.iter().map(|hit| (hit.project_key, hit.chunk_key));
        self.passages.iter().map(|found| (found.project_key, found.chunk_key)).chain(of_numbers).collect()
    }
}

pub async fn find(
    tx: &mut PgConnection,
    projects: &Projects,
    query: &str,
    words: &[QueryTerm],
    documents: Option<&[i64]>,
) -> sqlx::Result<Keywords> {
    let numbers = numbers(tx, projects, query, documents).await?;
    if words.is_empty() {
        return Ok(Keywords { numbers, ..Keywords::default() });
    }
    let allowed: Option<Vec<i64>> = match documents {
        Some(documents) => {
            let keys = sqlx::query_scalar(
                "SELECT key FROM chunk WHERE project_key = ANY($1) AND document_key = ANY($2) ORDER BY key",
            );
            Some(keys.bind(&projects.keys).bind(documents).fetch_all(&mut *tx).await?)
        }
        None => None,
    };
    let chunks = projects.chunks.unsigned_abs();
    let query = Query {
        projects: &projects.keys,
        words,
        chunks,
        average: projects.average_length().max(1.0),
        allowed: allowed.as_deref(),
        limit: usize::try_from(CANDIDATES).unwrap_or_default(),
    };
    let mut top = query.best(tx).await?;
    for found in &mut top.passages {
        // Short passages, and those with a word several times, have more than the average one with every word once.
        found.score = up_to_one(found.score / top.best_possible.max(f32::EPSILON), MOST);
    }
    let rarity = top.counts.iter().map(|count| bm25::idf(chunks, *count) as f32).collect();
    Ok(Keywords { numbers, passages: top.passages, rarity })
}

/// Returns the first passage of each document whose number the query names, those with the largest share of it first.
async fn numbers(
    tx: &mut PgConnection,
    projects: &Projects,
    query: &str,
    documents: Option<&[i64]>,
) -> sqlx::Result<Vec<Hit>> {
    let codes: Vec<String> =
        codes::in_query(query).into_iter().map(|code| normalize(&code.normalized)).collect();
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    // `acorag_numbered` can use the index of numbers, which row-level security keeps from this role
    // (migrations/sql/0008_numbers.sql).
    sqlx::query_as(
        "SELECT c.project_key, c.key AS chunk_key, d.document_key,
                max(length(d.code)::real / length(d.number_norm))::real AS score
         FROM acorag_numbered($1, $3, $4) d
         JOIN chunk c ON c.project_key = d.project_key AND c.document_key = d.document_key AND c.ordinal = 0
         WHERE c.project_key = ANY($2)
         GROUP BY c.project_key, c.key, d.document_key
         ORDER BY score DESC, c.key
         LIMIT $4",
    )
    .bind(&codes)
    .bind(&projects.keys)
    .bind(documents)
    .bind(CANDIDATES)
    .fetch_all(tx)
    .await
}
