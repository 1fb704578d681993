//! The SQL behind the look-ups.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use schemas::{
    DocumentId,
    document::{Document, FileLocation, Kind, ListFilter, Records, State},
    problem::Reason,
};
use serde_json::{Map, Value};
use sqlx::{Postgres, Transaction, types::Json};

#[derive(sqlx::FromRow)]
struct Row {
    key: i64,
    id: String,
    project_id: String,
    kind: String,
    state: String,
    percent: i16,
    reason: Option<Json<Reason>>,
    title: String,
    number: String,
    category: String,
    doc_type: String,
    revision: String,
    status: String,
    author: String,
    filename: String,
    file_type: String,
    date_modified: Option<DateTime<Utc>>,
    size: i64,
    sha256: String,
    pages: i32,
    chunks: i32,
    text_length: i64,
    records: Option<i32>,
    records_indexed: i64,
    records_failed: i64,
    parent_id: Option<String>,
    superseded_by: Option<String>,
    accepted_at: DateTime<Utc>,
    indexed_at: Option<DateTime<Utc>>,
    metadata: Json<Map<String, Value>>,
}

/// What every view of a document selects. An import's records are counted where they are, not in a counter of its own.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT d.key, d.id, p.id AS project_id, d.kind, d.state, d.percent, d.reason, d.title, d.number, d.category,
                    d.doc_type, d.revision, d.status, d.author, d.filename, d.file_type, d.date_modified, d.size, d.sha256,
                    d.pages, d.chunks, d.text_length, d.records, d.parent_id, d.superseded_by, d.accepted_at,
                    d.indexed_at, d.metadata, parts.indexed AS records_indexed, parts.failed AS records_failed
             FROM document d
             JOIN project p ON p.key = d.project_key
             LEFT JOIN LATERAL (
                 SELECT count(*) FILTER (WHERE outcome <> 'failed') AS indexed,
                        count(*) FILTER (WHERE outcome = 'failed') AS failed
                 FROM import_record WHERE import_key = d.key
             ) parts ON true ",
            $rest
        )
    };
}

/// The document with this id; if several projects of the scope have one, the newest.
pub async fn get(
    transaction: &mut Transaction<'_, Postgres>,
    document: &DocumentId,
) -> sqlx::Result<Option<Document>> {
    let row: Option<Row> = sqlx::query_as(select!(
        "WHERE d.id = $1 AND d.state <> 'deleted' ORDER BY d.accepted_at DESC LIMIT 1"
    ))
    .bind(document.as_str())
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(row.and_then(view))
}

/// Which of these queued documents a worker has taken up: it is at them now, or done with this job or a later one.
pub async fn taken(
    transaction: &mut Transaction<'_, Postgres>,
    queued: &[Document],
) -> sqlx::Result<HashSet<(String, String)>> {
    let projects: Vec<&str> = queued.iter().map(|document| document.project_id.as_str()).collect();
    let ids: Vec<&str> = queued.iter().map(|document| document.document_id.as_str()).collect();
    let accepted: Vec<DateTime<Utc>> = queued.iter().map(|document| document.accepted_at).collect();
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT p.id, d.id
         FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS job(project, document, accepted_at)
         JOIN project p ON p.id = job.project
         JOIN document d ON d.project_key = p.key AND d.id = job.document
         WHERE d.state <> 'deleted' AND (d.state = 'processing' OR d.accepted_at >= job.accepted_at)",
    )
    .bind(&projects)
    .bind(&ids)
    .bind(&accepted)
    .fetch_all(&mut **transaction)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Newest first. One more than the limit is read to know whether there is a next page.
pub async fn list(
    transaction: &mut Transaction<'_, Postgres>,
    filter: &ListFilter,
    after: Option<After>,
    limit: usize,
) -> sqlx::Result<(Vec<Document>, Option<After>)> {
    let mut rows: Vec<Row> = sqlx::query_as(select!(
        "WHERE d.state <> 'deleted'
           AND ($1::text IS NULL OR d.state = $1)
           AND ($2::text IS NULL OR lower(d.doc_type) = lower($2))
           AND ($3::text IS NULL OR lower(d.category) = lower($3))
           AND ($4::text IS NULL OR d.number_norm = $4)
           AND ($5::text IS NULL OR d.parent_id = $5)
           AND ($6::timestamptz IS NULL OR (d.accepted_at, d.key) < ($6, $7))
         ORDER BY d.accepted_at DESC, d.key DESC
         LIMIT $8"
    ))
    .bind(filter.state.map(State::name))
    .bind(&filter.doc_type)
    .bind(&filter.category)
    .bind(filter.number.as_deref().map(analysis::codes::normalize))
    .bind(filter.parent_id.as_ref().map(DocumentId::as_str))
    .bind(after.map(|after| after.accepted_at))
    .bind(after.map(|after| after.key))
    .bind(i64::try_from(limit + 1).unwrap_or(i64::MAX))
    .fetch_all(&mut **transaction)
    .await?;
    let more = rows.len() > limit;
    if more {
        rows.pop();
    }
    let last = rows.last().filter(|_| more).map(|row| After { accepted_at: row.accepted_at, key: row.key });
    Ok((rows.into_iter().filter_map(view).collect(), last))
}

pub async fn file(
    transaction: &mut Transaction<'_, Postgres>,
    document: &DocumentId,
) -> sqlx::Result<Option<FileLocation>> {
    let row: Option<(String, String, String, String, i64, String)> = sqlx::query_as(
        "SELECT p.id, d.object, d.filename, d.media_type, d.size, d.sha256
         FROM document d JOIN project p ON p.key = d.project_key
         WHERE d.id = $1 AND d.state <> 'deleted' AND d.object <> ''
         ORDER BY d.accepted_at DESC LIMIT 1",
    )
    .bind(document.as_str())
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(row.and_then(|(project, object, filename, media_type, size, sha256)| {
        Some(FileLocation {
            project_id: project.parse().ok()?,
            object,
            filename,
            media_type,
            size: u64::try_from(size).ok()?,
            sha256,
        })
    }))
}

/// The last document of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    pub accepted_at: DateTime<Utc>,
    pub key: i64,
}

fn view(row: Row) -> Option<Document> {
    let count = |number: i64| u32::try_from(number).unwrap_or_default();
    let records = row.records.map(|total| Records {
        total: count(total.into()),
        indexed: count(row.records_indexed),
        failed: count(row.records_failed),
    });
    let percent = match records {
        // An import is as far as its records are.
        Some(records) if row.state == "processing" => {
            u8::try_from(u64::from(records.indexed + records.failed) * 100 / u64::from(records.total.max(1)))
                .unwrap_or(100)
                .min(99)
        }
        _ => u8::try_from(row.percent).unwrap_or_default(),
    };
    Some(Document {
        document_id: row.id.parse().ok()?,
        project_id: row.project_id.parse().ok()?,
        kind: if row.kind == "import" { Kind::Import } else { Kind::Document },
        state: State::from_name(&row.state)?,
        percent,
        reason: row.reason.map(|Json(reason)| reason),
        title: row.title,
        number: row.number,
        category: row.category,
        doc_type: row.doc_type,
        revision: row.revision,
        status: row.status,
        author: row.author,
        filename: row.filename,
        file_type: row.file_type,
        date_modified: row.date_modified,
        size: u64::try_from(row.size).unwrap_or_default(),
        sha256: row.sha256,
        pages: count(row.pages.into()),
        chunks: count(row.chunks.into()),
        text_length: u64::try_from(row.text_length).unwrap_or_default(),
        records,
        parent_id: row.parent_id.and_then(|id| id.parse().ok()),
        superseded_by: row.superseded_by.and_then(|id| id.parse().ok()),
        accepted_at: row.accepted_at,
        indexed_at: row.indexed_at,
        metadata: row.metadata.0,
    })
}
