//! The rows of a search's answer, in the form that old clients read.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use schemas::search::SearchRow;
use sqlx::{Postgres, Transaction};

use super::{
    fuse::{Scored, quality},
    snippet,
};

#[derive(sqlx::FromRow)]
struct Row {
    chunk_key: i64,
    document_id: String,
    project_id: String,
    title: String,
    number: String,
    category: String,
    doc_type: String,
    revision: String,
    filename: String,
    file_type: String,
    date_modified: Option<DateTime<Utc>>,
    page: Option<i32>,
    text: String,
}

/// Fetches the chosen passages, in their order.
pub async fn fetch(
    transaction: &mut Transaction<'_, Postgres>,
    query: &str,
    chosen: &[Scored],
) -> sqlx::Result<Vec<SearchRow>> {
    let keys: Vec<i64> = chosen.iter().map(|scored| scored.candidate.chunk_key).collect();
    let found: Vec<Row> = sqlx::query_as(
        "SELECT c.key AS chunk_key, d.id AS document_id, p.id AS project_id, d.title, d.number, d.category, d.doc_type,
                d.revision, d.filename, d.file_type, d.date_modified, c.page, c.text
         FROM chunk c JOIN document d ON d.key = c.document_key JOIN project p ON p.key = c.project_key
         WHERE c.key = ANY($1)",
    )
    .bind(&keys)
    .fetch_all(&mut **transaction)
    .await?;
    let mut found: HashMap<i64, Row> = found.into_iter().map(|row| (row.chunk_key, row)).collect();
    // A passage may have gone since the legs ran: its document was replaced or deleted, and must not answer.
    Ok(chosen
        .iter()
        .filter_map(|scored| to_row(found.remove(&scored.candidate.chunk_key)?, query, scored))
        .collect())
}

fn to_row(row: Row, query: &str, scored: &Scored) -> Option<SearchRow> {
    Some(SearchRow {
        // Ids were checked when they came in.
        document_id: row.document_id.parse().ok()?,
        chunk_id: row.chunk_key.to_string(),
        project_id: row.project_id.parse().ok()?,
        title: row.title,
        number: row.number,
        category: row.category,
        doc_type: row.doc_type,
        revision: row.revision,
        filename: row.filename,
        file_type: row.file_type,
        date_modified: row.date_modified,
        page: row.page.and_then(|page| u32::try_from(page).ok()),
        snippet: snippet::around(&row.text, query),
        vector_score: scored.candidate.vector.unwrap_or_default().clamp(0.0, 1.0),
        text_score: scored.candidate.text,
        score: scored.score,
        match_quality: quality(scored.score),
    })
}
