//! The keyword leg: BM25 over the inverted index, and whole or partial document numbers.

use analysis::{
    bm25, codes,
    terms::{self, QueryTerm},
};
use documents::index::{Found, Query, Top};
use schemas::search::Search;
use sqlx::PgConnection;

use super::{Hit, Place, filter::Documents, fuse::up_to_one};
use crate::scope::Projects;

/// Minimum of the number of passages that the leg may return.
const FEWEST: usize = 100;
/// How many passages the leg may return for each result that is wanted, because documents have several among them.
const FOR_EACH: usize = 4;
/// Maximum number of documents with a number.
const NUMBERED: usize = 200;

/// A word's weight in a passage is below this; in an average passage that has it once it is 1.
const MOST: f32 = bm25::K1 as f32 + 1.0;

/// What the words and numbers of a query found.
#[derive(Default)]
pub struct Keywords<'a> {
    /// Passages found by BM25. The score is a share (0 to 1) of the score of a passage with every word of the query.
    pub passages: Vec<Found>,
    /// First passages of documents whose number the query names. The score is the share of the number that it names.
    pub numbers: Vec<Hit>,
    /// How rare each word of the query is among the passages of the scope (BM25's idf); 0 for a code that is probably none.
    pub rarity: Vec<f32>,
    /// Scores passages that are not among those found; `None` if these are all that have a word of the query.
    others: Option<Top<'a>>,
}

impl Keywords<'_> {
    /// Whether the leg may have left out passages.
    pub fn is_full(&self) -> bool {
        self.others.is_some()
    }

    /// Maximum score of a passage that the leg has left out; `None` if there is none with a word of the query.
    pub fn most_of_others(&self) -> Option<f32> {
        self.passages.last().filter(|_| self.is_full()).map(|last| last.score)
    }

    /// Returns the scores of passages that the leg has left out.
    pub async fn score(&mut self, tx: &mut PgConnection, others: Vec<Place>) -> sqlx::Result<Vec<Found>> {
        let Some(top) = &mut self.others else { return Ok(Vec::new()) };
        let scored = top.score(tx, others.into_iter()).await?;
        Ok(shares(scored, top.best_possible).collect())
    }

    pub fn places(&self) -> Vec<Place> {
        let of_numbers = self.numbers.iter().map(|hit| (hit.project_key, hit.chunk_key));
        self.passages.iter().map(|found| (found.project_key, found.chunk_key)).chain(of_numbers).collect()
    }
}

/// Returns the scores as shares of the best possible one.
fn shares(found: Vec<Found>, best_possible: f32) -> impl Iterator<Item = Found> {
    found.into_iter().map(move |found| {
        // Short passages, and those with a word several times, have more than the average one with every word once.
        let score = up_to_one(found.score / best_possible.max(f32::EPSILON), MOST);
        Found { score, ..found }
    })
}

pub async fn find<'a>(
    tx: &mut PgConnection,
    projects: &'a Projects,
    search: &Search,
    words: &'a [QueryTerm],
    documents: &Documents,
) -> sqlx::Result<Keywords<'a>> {
    let numbers = numbers(tx, projects, &search.query, documents).await?;
    if words.is_empty() {
        return Ok(Keywords { numbers, ..Keywords::default() });
    }
    let allowed = documents.passages(tx, projects).await?;
    let (chunks, average) = (projects.chunks.unsigned_abs(), projects.average_length().max(1.0));
    let limit = FEWEST.max(FOR_EACH * usize::from(search.top_k));
    let query = Query { projects: &projects.keys, words, chunks, average, limit };
    let mut top = query.best(tx, documents.allowed(&allowed)).await?;
    let passages: Vec<_> = shares(std::mem::take(&mut top.passages), top.best_possible).collect();
    let rarity = rarities(&search.query, words, &top.counts, chunks);
    let others = (passages.len() == limit).then_some(top);
    Ok(Keywords { passages, numbers, rarity, others })
}

/// Returns how rare the words of a query are. `counts` tells how many of the passages have each. A code that is only supposed
/// ([`terms::supposed_codes`]) and that no passage has would be the rarest, so that no passage would seem to answer.
fn rarities(query: &str, words: &[QueryTerm], counts: &[u64], chunks: u64) -> Vec<f32> {
    let supposed = terms::supposed_codes(query);
    let is_supposed = |word: &QueryTerm| word.forms.iter().all(|form| supposed.contains(form));
    let rarity = |(word, count): (&QueryTerm, &u64)| match *count {
        0 if is_supposed(word) => 0.0,
        count => bm25::idf(chunks, count) as f32,
    };
    words.iter().zip(counts).map(rarity).collect()
}

/// Returns the first passage of each document whose number the query names, those with the largest share of it first.
async fn numbers(
    tx: &mut PgConnection,
    projects: &Projects,
    query: &str,
    documents: &Documents,
) -> sqlx::Result<Vec<Hit>> {
    let codes: Vec<String> = codes::in_query(query).into_iter().map(|code| code.normalized).collect();
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    // `acorag_numbered` can use the index of numbers, which row-level security keeps from this role
    // (migrations/sql/0008_numbers.sql). It does not know the documents that are left out, so it returns as many more.
    let mut found: Vec<Hit> = sqlx::query_as(
        "SELECT c.project_key, c.key AS chunk_key, d.document_key,
                max(length(d.code)::real / length(d.number_norm))::real AS score
         FROM acorag_numbered($1, $3, $4::bigint + coalesce(cardinality($5::bigint[]), 0)) d
         JOIN chunk c ON c.project_key = d.project_key AND c.document_key = d.document_key AND c.ordinal = 0
         WHERE c.project_key = ANY($2) AND ($5::bigint[] IS NULL OR d.document_key <> ALL($5))
         GROUP BY c.project_key, c.key, d.document_key
         ORDER BY score DESC, c.key
         LIMIT $4",
    )
    .bind(&codes)
    .bind(&projects.keys)
    .bind(documents.only())
    .bind(i64::try_from(NUMBERED + 1).unwrap_or(i64::MAX))
    .bind(documents.all_but())
    .fetch_all(tx)
    .await?;
    // Among other words, a number that too many documents have says nothing about those that happen to be the first.
    if found.len() > NUMBERED && codes::whole_query(query).is_none() {
        let least = found.last().map_or(0.0, |hit| hit.score);
        found.retain(|hit| hit.score > least);
    }
    found.truncate(NUMBERED);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supposed_code_that_no_passage_has_weighs_nothing() {
        let weight = |query: &str, term: &str, count| {
            let words = terms::query_terms(query);
            let place = words.iter().position(|word| word.forms == [term]).unwrap();
            rarities(query, &words, &vec![count; words.len()], 100)[place]
        };
        assert_eq!(weight("¿Espesor del muro eje 3 b?", "#EJE3B", 0), 0.0);
        assert!(weight("¿Espesor del muro eje 3 b?", "#EJE3B", 1) > 0.0, "it is a code after all");
        assert!(weight("¿Qué dice la RFI-0042?", "#RFI0042", 0) > 0.0);
    }
}
