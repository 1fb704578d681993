//! Reads documents: one, a list of them, the location of a file.

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use schemas::{
    DocumentId, Fields,
    document::{Document, FileLocation, ListFilter, State},
};
use sqlx::{PgConnection, types::Json};

use crate::scope::Projects;

/// Returns the document with this id; if several projects in the scope have one, the newest.
pub async fn get(tx: &mut PgConnection, document: &DocumentId) -> sqlx::Result<Option<Document>> {
    let row: Option<Json<Document>> = sqlx::query_scalar(
        "SELECT document FROM document_view WHERE id = $1 ORDER BY accepted_at DESC LIMIT 1",
    )
    .bind(document.as_str())
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|Json(document)| document))
}

/// A queued document that is also stored, because it was sent before or because a worker has begun to process it.
#[derive(sqlx::FromRow)]
pub struct Known {
    pub project: String,
    pub id: String,
    pub key: i64,
    /// Whether a worker has already taken its job, or one of its jobs: the worker is processing the job, or has finished it
    /// or a later job of the document.
    pub taken: bool,
}

/// Returns those of the queued documents that are also stored, each once.
pub async fn known(tx: &mut PgConnection, queued: &[Document]) -> sqlx::Result<Vec<Known>> {
    if queued.is_empty() {
        return Ok(Vec::new());
    }
    let queued = || queued.iter().map(|document| &document.facts);
    sqlx::query_as(
        "SELECT p.id AS project, d.id, d.key,
                bool_or(d.state <> 'deleted' AND (d.state = 'processing' OR d.accepted_at = job.accepted_at
                                                  OR coalesce(d.since, d.accepted_at) >= job.accepted_at)) AS taken
         FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS job(project, document, accepted_at)
         JOIN project p ON p.id = job.project
         JOIN document d ON d.project_key = p.key AND d.id = job.document
         GROUP BY p.id, d.id, d.key",
    )
    .bind(queued().map(|facts| facts.project_id.as_str()).collect::<Vec<_>>())
    .bind(queued().map(|facts| facts.document_id.as_str()).collect::<Vec<_>>())
    .bind(queued().map(|facts| facts.accepted_at).collect::<Vec<_>>())
    .fetch_all(tx)
    .await
}

/// The last document of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    pub accepted_at: DateTime<Utc>,
    pub key: i64,
}

/// Returns a page of documents, newest first, and its last document if there is a next page. To know that, one row more
/// than the limit is read. The page ends before the first document that does not fit. `projects` are those of the scope.
/// Documents whose key is in `listed` are left out.
pub async fn list(
    tx: &mut PgConnection,
    projects: &Projects,
    filter: &ListFilter,
    after: Option<After>,
    listed: &[i64],
    limit: usize,
    mut fits: impl FnMut(&Document) -> bool,
) -> sqlx::Result<(Vec<Document>, Option<After>)> {
    // Numbers are compared by their letters and digits only.
    let Fields { number, .. } = &filter.fields;
    let number = (!number.is_empty()).then(|| analysis::codes::normalize(number));
    let fields = Fields { number: String::new(), ..filter.fields.clone() };
    // The index of one project is in the order of the page, and is used only if the statement names one. The indexes of a parent
    // and of a state that few documents are in are used because the statement is planned for its parameters.
    let one = if let [project] = *projects.keys { Some(project) } else { None };
    let several = (one.is_none() && !projects.everything).then_some(&projects.keys);
    let mut rows = sqlx::query_as::<_, (i64, DateTime<Utc>, Json<Document>)>(
        "SELECT page.key, page.accepted_at, document_view.document
         FROM (SELECT project_key, key, accepted_at FROM document
               WHERE state <> 'deleted'
                 AND ($1::text IS NULL OR state = $1)
                 AND ($2::jsonb IS NULL OR lower(fields::text)::jsonb @> lower($2::text)::jsonb)
                 AND ($3::text IS NULL OR number_norm = $3)
                 AND ($4::text IS NULL OR parent_id = $4)
                 AND ($5::timestamptz IS NULL OR (accepted_at, key) < ($5, $6))
                 AND ($8::int IS NULL OR project_key = $8)
                 AND ($10::int[] IS NULL OR project_key = ANY ($10))
                 AND key <> ALL ($9)
               ORDER BY accepted_at DESC, key DESC
               LIMIT $7) AS page
         JOIN document_view ON document_view.project_key = page.project_key AND document_view.key = page.key
         ORDER BY page.accepted_at DESC, page.key DESC",
    )
    .bind(filter.state.map(State::name))
    .bind(wanted(&fields))
    .bind(number)
    .bind(filter.parent_id.as_ref().map(DocumentId::as_str))
    .bind(after.map(|after| after.accepted_at))
    .bind(after.map(|after| after.key))
    .bind(i64::try_from(limit + 1).unwrap_or(i64::MAX))
    .bind(one)
    .bind(listed)
    .bind(several)
    .fetch(tx);
    // One by one, because all of them together may be many times larger than a page.
    let (mut documents, mut last) = (Vec::new(), None);
    while let Some((key, accepted_at, Json(document))) = rows.try_next().await? {
        if documents.len() == limit || !fits(&document) {
            return Ok((documents, last));
        }
        documents.push(document);
        last = Some(After { accepted_at, key });
    }
    Ok((documents, None))
}

/// Returns the fields that a document must contain to match; `None` if every document matches.
pub fn wanted(fields: &Fields) -> Option<Json<serde_json::Map<String, serde_json::Value>>> {
    Some(fields.given()).filter(|given| !given.is_empty()).map(Json)
}

pub async fn file(tx: &mut PgConnection, document: &DocumentId) -> sqlx::Result<Option<FileLocation>> {
    let location: Option<Json<FileLocation>> = sqlx::query_scalar(
        "SELECT jsonb_build_object('project_id', p.id, 'object', d.object, 'filename', d.filename,
                                   'media_type', d.media_type, 'size', d.size, 'sha256', d.sha256)
         FROM document d JOIN project p ON p.key = d.project_key
         WHERE d.id = $1 AND d.state <> 'deleted' AND d.object <> ''
         ORDER BY d.accepted_at DESC LIMIT 1",
    )
    .bind(document.as_str())
    .fetch_optional(tx)
    .await?;
    Ok(location.map(|Json(location)| location))
}

#[cfg(test)]
mod tests;
