//! Suggestions for what a user is typing: titles, document numbers and earlier searches in the same projects.

use analysis::codes;
use sqlx::{Postgres, Transaction};

/// Minimum number of characters of a part of a document number that is looked up.
const MIN_NUMBER_CHARS: usize = 3;
/// Only searches of this many days count for popular searches.
const DAYS: i32 = 90;

/// Returns suggestions without duplicates, the most likely first.
pub async fn find(
    transaction: &mut Transaction<'_, Postgres>,
    typed: &str,
    limit: usize,
) -> sqlx::Result<Vec<String>> {
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut suggestions = Suggestions { list: Vec::new(), limit };
    if typed.is_empty() {
        suggestions.add(searches(transaction, "", wanted).await?);
        suggestions.add(newest_titles(transaction, wanted).await?);
        return Ok(suggestions.list);
    }
    let number = codes::normalize(typed);
    if number.len() >= MIN_NUMBER_CHARS && number.contains(|c: char| c.is_ascii_digit()) {
        suggestions.add(numbers(transaction, &number, wanted).await?);
    }
    // At most half of the suggestions are earlier searches, unless there are not enough titles.
    let searched = searches(transaction, typed, wanted).await?;
    let titled = titles(transaction, typed, wanted).await?;
    let half = limit.div_ceil(2);
    suggestions.add(searched.iter().take(half).cloned());
    suggestions.add(titled);
    suggestions.add(searched.into_iter().skip(half));
    if !suggestions.is_full() {
        // The typed text may be misspelled. The search for similar titles compares all titles, so it comes
        // last.
        suggestions.add(similar(transaction, typed, wanted).await?);
    }
    Ok(suggestions.list)
}

struct Suggestions {
    list: Vec<String>,
    limit: usize,
}

impl Suggestions {
    fn add(&mut self, found: impl IntoIterator<Item = String>) {
        for text in found {
            let known = self.list.iter().any(|other| other.to_lowercase() == text.to_lowercase());
            if !self.is_full() && !known && !text.is_empty() {
                self.list.push(text);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.list.len() >= self.limit
    }
}

async fn numbers(tx: &mut Transaction<'_, Postgres>, number: &str, limit: i64) -> sqlx::Result<Vec<String>> {
    // The index of numbers serves only `acorag_numbered`. A thousand documents are enough to choose from.
    sqlx::query_scalar(
        "SELECT d.fields->>'number' AS number
         FROM acorag_numbered(ARRAY[$1], NULL, 1000) AS found
         JOIN document d ON d.project_key = found.project_key AND d.key = found.document_key
         WHERE d.state = 'indexed'
         GROUP BY number ORDER BY min(position($1 IN d.number_norm)), number LIMIT $2",
    )
    .bind(number)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

async fn titles(tx: &mut Transaction<'_, Postgres>, typed: &str, limit: i64) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT title FROM (
             SELECT fields->>'title' AS title, acorag_fold(fields->>'title') AS folded FROM document
             WHERE state = 'indexed' AND fields ? 'title'
         ) AS t, (SELECT acorag_fold($1) AS typed) AS q
         WHERE starts_with(folded, typed) OR position(' ' || typed IN folded) > 0
         GROUP BY title ORDER BY bool_or(starts_with(folded, typed)) DESC, length(title), title LIMIT $2",
    )
    .bind(typed)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

async fn newest_titles(tx: &mut Transaction<'_, Postgres>, limit: i64) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT fields->>'title' FROM document WHERE state = 'indexed' AND fields ? 'title'
         ORDER BY indexed_at DESC NULLS LAST LIMIT $1",
    )
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// Returns earlier searches that found something; all of them if nothing is typed.
async fn searches(tx: &mut Transaction<'_, Postgres>, typed: &str, limit: i64) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT (array_agg(query ORDER BY key DESC))[1]
         FROM search_log, (SELECT acorag_search_key($1) AS typed) AS q
         WHERE searched_at > now() - make_interval(days => $3) AND results > 0
           AND (starts_with(folded, typed) OR position(' ' || typed IN folded) > 0)
         GROUP BY folded ORDER BY sum(times) DESC, folded LIMIT $2",
    )
    .bind(typed)
    .bind(limit)
    .bind(DAYS)
    .fetch_all(&mut **tx)
    .await
}

async fn similar(tx: &mut Transaction<'_, Postgres>, typed: &str, limit: i64) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT title FROM (
             SELECT fields->>'title' AS title,
                    max(word_similarity(acorag_fold($1), acorag_fold(fields->>'title'))) AS similarity
             FROM document WHERE state = 'indexed' AND fields ? 'title' GROUP BY title
         ) AS t
         WHERE similarity >= 0.4 ORDER BY similarity DESC, title LIMIT $2",
    )
    .bind(typed)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}
