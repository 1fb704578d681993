//! The keyword leg: BM25 over the inverted index, and document numbers as typed or in part.

use std::collections::HashMap;

use analysis::{
    bm25,
    codes::{self, normalize},
    terms::{self, QueryTerm},
};
use sqlx::{Postgres, Transaction};

use super::{CANDIDATES, Hit};
use crate::scope::Projects;

/// What the words and numbers of a query found.
#[derive(Debug, Default)]
pub struct Keywords {
    /// Passages by BM25, the score a share (0 to 1) of what a passage with every word of the query could get.
    pub passages: Vec<Hit>,
    /// First passages of documents whose number the query names; the score says how much of the number: 1 for all.
    pub numbers: Vec<Hit>,
}

/// A term found in more passages than this says little and costs much: it is left out when a rarer one is there.
const COMMON: u64 = 20_000;

pub async fn find(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &Projects,
    query: &str,
    documents: Option<&[i64]>,
) -> sqlx::Result<Keywords> {
    Ok(Keywords {
        numbers: numbers(transaction, projects, query, documents).await?,
        passages: passages(transaction, projects, query, documents).await?,
    })
}

/// How many passages of the scope hold each form of these words; one that no passage holds is not among them.
pub async fn passages_with(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &Projects,
    words: &[QueryTerm],
) -> sqlx::Result<HashMap<String, u64>> {
    let forms: Vec<&str> = words.iter().flat_map(|word| word.forms.iter().map(String::as_str)).collect();
    let counts: Vec<(String, i64)> = sqlx::query_as(
        "SELECT term, count(*) FROM posting WHERE term = ANY($1) AND project_key = ANY($2) GROUP BY term",
    )
    .bind(&forms)
    .bind(&projects.keys)
    .fetch_all(&mut **transaction)
    .await?;
    Ok(counts.into_iter().map(|(term, count)| (term, count.unsigned_abs())).collect())
}

async fn passages(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &Projects,
    query: &str,
    documents: Option<&[i64]>,
) -> sqlx::Result<Vec<Hit>> {
    let words = terms::query_terms(query);
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let counts = passages_with(transaction, projects, &words).await?;
    let idf = |count: u64| bm25::idf(projects.chunks.unsigned_abs(), count);
    let rarest = counts.values().copied().min().unwrap_or(0);
    let (mut kept_terms, mut kept_words, mut kept_idf, mut best_possible) = (vec![], vec![], vec![], 0.0);
    for (word, index) in words.iter().zip(0_i32..) {
        let known = word.forms.iter().filter_map(|form| Some((form, *counts.get(form)?)));
        // A passage counts a word's best form, so the word is worth its rarest form that occurs at all.
        best_possible += idf(known.clone().map(|(_, count)| count).min().unwrap_or(0));
        for (form, count) in known.filter(|(_, count)| *count <= COMMON || *count == rarest) {
            kept_terms.push(form.as_str());
            kept_words.push(index);
            kept_idf.push(idf(count));
        }
    }
    // BM25's formula stands here, beside the postings, so that they need not be sent; `analysis::bm25` has the rest of it.
    let mut hits: Vec<Hit> = sqlx::query_as(
        "SELECT chunk_key, document_key, sum(weight)::real AS score
         FROM (
             SELECT p.chunk_key, p.document_key, w.word,
                    max(w.idf * p.frequency * ($4 + 1) / (p.frequency + $4 * (1 - $5 + $5 * p.length / $6))) AS weight
             FROM unnest($1::text[], $2::int[], $3::float8[]) AS w(term, word, idf)
             JOIN posting p ON p.term = w.term AND p.project_key = ANY($7)
             WHERE $8::bigint[] IS NULL OR p.document_key = ANY($8)
             GROUP BY p.chunk_key, p.document_key, w.word
         ) AS per_word
         GROUP BY chunk_key, document_key
         ORDER BY score DESC, chunk_key
         LIMIT $9",
    )
    .bind(&kept_terms)
    .bind(&kept_words)
    .bind(&kept_idf)
    .bind(bm25::K1)
    .bind(bm25::B)
    .bind(projects.average_length().max(1.0))
    .bind(&projects.keys)
    .bind(documents)
    .bind(CANDIDATES)
    .fetch_all(&mut **transaction)
    .await?;
    for hit in &mut hits {
        hit.score = (f64::from(hit.score) / f64::max(best_possible, f64::EPSILON)).min(1.0) as f32;
    }
    Ok(hits)
}

/// Documents whose number the query names, by their first passage: the whole number first, then the closest part.
async fn numbers(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &Projects,
    query: &str,
    documents: Option<&[i64]>,
) -> sqlx::Result<Vec<Hit>> {
    let codes: Vec<String> =
        codes::in_query(query).into_iter().map(|code| normalize(&code.normalized)).collect();
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    // Codes hold letters and digits only, so they cannot smuggle a wildcard into LIKE.
    sqlx::query_as(
        "SELECT c.key AS chunk_key, d.key AS document_key,
                max(length(code)::real / length(d.number_norm))::real AS score
         FROM unnest($1::text[]) AS code
         JOIN document d ON d.number_norm LIKE '%' || code || '%' AND d.chunks > 0
         JOIN chunk c ON c.document_key = d.key AND c.ordinal = 0
         WHERE d.project_key = ANY($2)
           AND ($3::bigint[] IS NULL OR d.key = ANY($3))
         GROUP BY c.key, d.key
         ORDER BY score DESC, c.key
         LIMIT $4",
    )
    .bind(&codes)
    .bind(&projects.keys)
    .bind(documents)
    .bind(CANDIDATES)
    .fetch_all(&mut **transaction)
    .await
}
