//! Suggestions for what a user is typing: titles, document numbers and earlier searches in the same projects.

use std::collections::HashSet;

use analysis::codes;
use sqlx::PgConnection;

/// Minimum number of characters of a part of a document number that is looked up.
const MIN_NUMBER_CHARS: usize = 3;
/// Only searches of this many days count for popular searches, and of all projects' searches only so many of the newest.
const DAYS: i32 = 90;
const NEWEST: i64 = 200_000;

/// Returns suggestions without duplicates, the most likely first.
pub async fn find(tx: &mut PgConnection, typed: &str, limit: usize) -> sqlx::Result<Vec<String>> {
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    if typed.is_empty() {
        found.extend(searches(tx, "", wanted).await?);
        found.extend(newest_titles(tx, wanted).await?);
        return Ok(distinct(found, limit));
    }
    let number = codes::normalize(typed);
    if number.len() >= MIN_NUMBER_CHARS && number.contains(|c: char| c.is_ascii_digit()) {
        found.extend(numbers(tx, &number, wanted).await?);
    }
    // At most half of the suggestions are earlier searches, unless there are not enough titles.
    let mut searched = searches(tx, typed, wanted).await?.into_iter();
    found.extend(searched.by_ref().take(limit.div_ceil(2)));
    found.extend(titles(tx, typed, false, wanted).await?);
    found.extend(searched);
    found = distinct(found, limit);
    if found.len() < limit {
        // The typed text may be misspelled.
        found.extend(titles(tx, typed, true, wanted).await?);
    }
    Ok(distinct(found, limit))
}

/// Returns the first suggestions that differ in more than upper and lower case.
fn distinct(mut found: Vec<String>, limit: usize) -> Vec<String> {
    let mut seen = HashSet::new();
    found.retain(|text| !text.is_empty() && seen.insert(text.to_lowercase()));
    found.truncate(limit);
    found
}

async fn numbers(tx: &mut PgConnection, number: &str, limit: i64) -> sqlx::Result<Vec<String>> {
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
    .fetch_all(tx)
    .await
}

/// Returns titles with a word that begins with what was typed or, if `alike`, with similar words.
async fn titles(tx: &mut PgConnection, typed: &str, alike: bool, limit: i64) -> sqlx::Result<Vec<String>> {
    // Only this function may use the index of titles (migrations/sql/0010_suggestions.sql).
    sqlx::query_scalar("SELECT title FROM acorag_titled($1, $2, $3)")
        .bind(typed)
        .bind(alike)
        .bind(limit)
        .fetch_all(tx)
        .await
}

async fn newest_titles(tx: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<String>> {
    // Many documents may have the same title, so more are read than are wanted. The index has the newest documents of each project
    // one after the other, so it is read project by project.
    sqlx::query_scalar(
        "SELECT newest.title
         FROM unnest(acorag_projects()) AS in_scope
         CROSS JOIN LATERAL (
             SELECT fields->>'title' AS title, indexed_at FROM document
             WHERE project_key = in_scope AND state = 'indexed' AND fields ? 'title'
             ORDER BY indexed_at DESC NULLS LAST LIMIT $1 * 3) AS newest
         GROUP BY newest.title ORDER BY max(newest.indexed_at) DESC NULLS LAST LIMIT $1",
    )
    .bind(limit)
    .fetch_all(tx)
    .await
}

/// Returns earlier searches that found something; all of them if nothing is typed.
async fn searches(tx: &mut PgConnection, typed: &str, limit: i64) -> sqlx::Result<Vec<String>> {
    // Only this function may use the index of searches (migrations/sql/0015_searches.sql).
    sqlx::query_scalar("SELECT query FROM acorag_searched($1, $2, $3, $4)")
        .bind(typed)
        .bind(DAYS)
        .bind(NEWEST)
        .bind(limit)
        .fetch_all(tx)
        .await
}
