//! Imports: files of records, each of which becomes a document of its own.

use std::collections::HashSet;

use schemas::{DocumentId, ProjectId, Scope, ingest::ObjectRef, messages, problem::Reason};
use sqlx::{PgConnection, PgPool, types::Json};

use crate::{
    Job,
    row::{Description, Row, find, project},
    scope,
};

/// A record as the database notes it for its import.
#[derive(Debug, Clone)]
pub struct Record {
    pub project: ProjectId,
    /// The id of the record's document or, without a valid id, the record's position in the file.
    pub name: String,
    pub failure: Option<Reason>,
}

/// Notes records of an import. This happens before their jobs are published, so that no outcome is missed. Returns
/// false if the import was deleted or sent again in the meantime and must stop.
pub async fn note(pool: &PgPool, job: &Job, records: &[Record]) -> sqlx::Result<bool> {
    let mut tx = job.begin(pool).await?;
    let Some(row) = under_way(&mut tx, job).await? else { return Ok(false) };
    sqlx::query(
        "INSERT INTO import_record (import_key, project_key, project_id, document_id, outcome, reason)
         SELECT $1, $2, project_id, document_id, CASE WHEN reason IS NULL THEN NULL ELSE 'failed' END, reason
         FROM unnest($3::text[], $4::text[], $5::jsonb[]) AS r(project_id, document_id, reason)
         ON CONFLICT DO NOTHING",
    )
    .bind(row.key)
    .bind(row.project_key)
    .bind(records.iter().map(|record| record.project.as_str()).collect::<Vec<_>>())
    .bind(records.iter().map(|record| record.name.as_str()).collect::<Vec<_>>())
    .bind(records.iter().map(|record| record.failure.as_ref().map(Json)).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// Returns those of the documents, with their projects, that have an outcome as records of the import. Returns `None`
/// if the import was deleted or sent again in the meantime and must stop.
pub async fn settled(
    pool: &PgPool,
    job: &Job,
    documents: &[&str],
) -> sqlx::Result<Option<HashSet<(String, String)>>> {
    let mut tx = job.begin(pool).await?;
    let Some(row) = under_way(&mut tx, job).await? else { return Ok(None) };
    let settled: Vec<(String, String)> = sqlx::query_as(
        "SELECT project_id, document_id FROM import_record
         WHERE project_key = $3 AND import_key = $1 AND document_id = ANY($2) AND outcome IS NOT NULL",
    )
    .bind(row.key)
    .bind(documents)
    .bind(row.project_key)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(settled.into_iter().collect()))
}

/// Returns the import's row if this job is still the latest one and is not finished.
async fn under_way(tx: &mut PgConnection, job: &Job) -> sqlx::Result<Option<Row>> {
    let project_key = project(tx, &job.project).await?;
    let row = find(tx, project_key, &job.document).await?;
    Ok(row.filter(|row| row.accepted_at == job.accepted_at && row.state == "processing"))
}

/// Marks the document as an import. [`counted`] sets the number of its records later. A number that another
/// attempt of the same job has already set is kept.
pub async fn begin(pool: &PgPool, job: &Job) -> sqlx::Result<()> {
    let mut tx = job.begin(pool).await?;
    sqlx::query(
        "UPDATE document SET kind = 'import'
         WHERE project_key = (SELECT key FROM project WHERE id = $1) AND id = $2 AND accepted_at = $3
           AND state = 'processing'",
    )
    .bind(job.project.as_str())
    .bind(job.document.as_str())
    .bind(job.accepted_at)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Stores the number of records, after all of them are noted.
pub async fn counted(pool: &PgPool, job: &Job, object: &ObjectRef, file_type: &str) -> sqlx::Result<()> {
    let mut tx = job.begin(pool).await?;
    let project_key = project(&mut tx, &job.project).await?;
    let row = find(&mut tx, project_key, &job.document).await?;
    let Some(row) = row.filter(|row| row.accepted_at == job.accepted_at && row.state != "deleted") else {
        return Ok(());
    };
    sqlx::query(
        "UPDATE document d
         SET records = (SELECT count(*) FROM import_record WHERE project_key = d.project_key AND import_key = d.key)
         WHERE project_key = $1 AND key = $2",
    )
    .bind(project_key)
    .bind(row.key)
    .execute(&mut *tx)
    .await?;
    let description = Description {
        fields: &job.fields(),
        date_modified: job.body.metadata.date_modified,
        object,
        media_type: &job.body.media_type,
        file_type: Some(file_type),
    };
    description.write(&mut tx, &row, job).await?;
    tx.commit().await
}

/// The state of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Open {
        percent: u8,
    },
    Finished {
        title: String,
        chunks: u32,
        text_length: u64,
    },
    Failed(Reason),
    /// The import was closed by another job, or it was deleted.
    Closed,
}

/// Closes the import if every record has an outcome. Only the caller that closes the import gets `Finished`
/// or `Failed`. With `again`, a caller gets the result of an import that is already closed, because the
/// worker that closed the import may have died before it published the event. The percentage of an open
/// import is counted only with `report`, because counting is slow.
pub async fn close(
    pool: &PgPool,
    import_project: &ProjectId,
    import: &DocumentId,
    report: bool,
    again: bool,
) -> sqlx::Result<Standing> {
    let mut tx = scope::begin(pool, &Scope::Projects(vec![import_project.clone()])).await?;
    let project_key = project(&mut tx, import_project).await?;
    let standing: Option<(bool, bool)> = sqlx::query_as(
        "SELECT records IS NOT NULL, EXISTS (SELECT FROM import_record r WHERE r.project_key = d.project_key
                                               AND r.import_key = d.key AND r.outcome IS NULL)
         FROM document d WHERE project_key = $1 AND id = $2 AND kind = 'import' AND state = 'processing'",
    )
    .bind(project_key)
    .bind(import.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    match standing {
        // Not all records are noted yet; the job that notes them calls this function afterwards.
        Some((false, _)) => return Ok(Standing::Open { percent: 0 }),
        // Jobs of records that end at the same time do not wait for each other: they do not lock the import
        // as long as records without an outcome remain.
        Some((true, true)) if !report => return Ok(Standing::Open { percent: 0 }),
        Some(_) | None => {}
    }
    let open: Option<(i64, i32)> = sqlx::query_as(
        "SELECT key, records FROM document
         WHERE project_key = $1 AND id = $2 AND kind = 'import' AND state = 'processing' AND records IS NOT NULL
         FOR UPDATE",
    )
    .bind(project_key)
    .bind(import.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let Some((key, records)) = open else {
        return if again { closed(&mut tx, project_key, import).await } else { Ok(Standing::Closed) };
    };
    let (pending, failed): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE outcome IS NULL), count(*) FILTER (WHERE outcome = 'failed')
         FROM import_record WHERE project_key = $1 AND import_key = $2",
    )
    .bind(project_key)
    .bind(key)
    .fetch_one(&mut *tx)
    .await?;
    if pending > 0 {
        let done = i64::from(records) - pending;
        return Ok(Standing::Open {
            percent: u8::try_from(done * 100 / i64::from(records.max(1))).unwrap_or(99).min(99),
        });
    }
    let failure = (failed >= i64::from(records)).then(|| match records {
        0 => messages::jobs::no_records().reason("empty"),
        _ => messages::jobs::records_failed().reason("records_failed"),
    });
    // Documents of the import in other projects are outside this transaction's scope, so the sums cover only
    // its own project.
    sqlx::query(
        "UPDATE document d SET state = $2, reason = $3, percent = $4, starts = 0,
                indexed_at = CASE WHEN $3 IS NULL THEN now() END,
                text_length = (SELECT coalesce(sum(text_length), 0) FROM document
                               WHERE parent_project = d.project_key AND parent_key = d.key)
         WHERE project_key = $5 AND key = $1",
    )
    .bind(key)
    .bind(if failure.is_some() { "failed" } else { "indexed" })
    .bind(failure.as_ref().map(Json))
    .bind(if failure.is_some() { 0_i16 } else { 100 })
    .bind(project_key)
    .execute(&mut *tx)
    .await?;
    let standing = closed(&mut tx, project_key, import).await?;
    tx.commit().await?;
    Ok(standing)
}

/// Returns the result of a closed import.
async fn closed(tx: &mut PgConnection, project_key: i32, import: &DocumentId) -> sqlx::Result<Standing> {
    let row = sqlx::query_as::<_, (Option<String>, Option<Json<Reason>>, i64, i64)>(
        "SELECT fields->>'title', reason, (SELECT coalesce(sum(chunks), 0) FROM document
                                            WHERE parent_project = d.project_key AND parent_key = d.key),
                text_length
         FROM document d
         WHERE project_key = $1 AND id = $2 AND kind = 'import' AND state IN ('indexed', 'failed')",
    )
    .bind(project_key)
    .bind(import.as_str())
    .fetch_optional(tx)
    .await?;
    Ok(match row {
        None => Standing::Closed,
        Some((_, Some(Json(reason)), ..)) => Standing::Failed(reason),
        Some((title, None, chunks, text_length)) => Standing::Finished {
            title: title.unwrap_or_default(),
            chunks: u32::try_from(chunks).unwrap_or_default(),
            text_length: u64::try_from(text_length).unwrap_or_default(),
        },
    })
}
