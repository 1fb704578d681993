//! Resolves a search's filters to documents before the legs run, so that both legs apply the same filter at low cost.

use schemas::{DocumentId, search::Search};
use sqlx::PgConnection;

use crate::scope::Projects;

/// Returns the keys of the documents that match; `None` if the search has no filter.
pub async fn documents(
    tx: &mut PgConnection,
    projects: &Projects,
    query: &Search,
) -> sqlx::Result<Option<Vec<i64>>> {
    let filters = &query.filters;
    if filters.is_empty() && query.document_id.is_none() {
        return Ok(None);
    }
    // A document with passages is searchable, also while it is indexed again. A document's parts are the records of an
    // import and the attachments of a mail.
    sqlx::query_scalar(
        "SELECT key FROM document
         WHERE project_key = ANY($1) AND chunks > 0
           AND ($2::jsonb IS NULL OR lower(fields::text)::jsonb @> lower($2::text)::jsonb)
           AND ($3::timestamptz IS NULL OR date_modified >= $3)
           AND ($4::timestamptz IS NULL OR date_modified <= $4)
           AND ($5::text IS NULL OR key = ANY (ARRAY(
                   SELECT key FROM document WHERE id = $5
                   UNION ALL
                   SELECT part.key FROM document part JOIN document whole
                        ON whole.project_key = part.parent_project AND whole.key = part.parent_key
                   WHERE whole.id = $5)))",
    )
    .bind(&projects.keys)
    .bind(documents::read::wanted(&filters.fields))
    .bind(filters.date_from)
    .bind(filters.date_to)
    .bind(query.document_id.as_ref().map(DocumentId::as_str))
    .fetch_all(tx)
    .await
    .map(Some)
}
