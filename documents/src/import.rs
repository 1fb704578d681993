//! Imports: files of records, each of which becomes a document of its own.

use std::collections::HashSet;

use schemas::{DocumentId, ProjectId, ingest::ObjectRef, messages, problem::Reason};
use sqlx::{PgPool, types::Json};

use crate::{
    Job, Revived,
    row::{self, Written, be_patient, find, in_project, write},
    scope::ProjectTx,
};

/// A record as the database notes it for its import.
#[derive(Debug, Clone)]
pub struct Record {
    pub project: ProjectId,
    /// The id of the record's document or, if the record cannot become a document, a name that is no document's id.
    pub name: String,
    /// The place of the record in the file. Of several records of one document, the last one counts.
    pub place: i32,
    pub failure: Option<Reason>,
}

/// Notes records of an import. This happens before their jobs are published, so that no outcome is missed. A record that is
/// noted already is not written again, so it keeps its outcome. Returns false if the import must stop ([`under_way`]).
pub async fn note(pool: &PgPool, job: &Job, records: &[Record]) -> sqlx::Result<bool> {
    let mut tx = in_project(job.begin(pool).await?, &job.project).await?;
    let Some(key) = under_way(&mut tx, job).await? else { return Ok(false) };
    sqlx::query(
        "INSERT INTO import_record (import_key, project_key, project_id, document_id, place, outcome, reason)
         SELECT DISTINCT ON (project_id, document_id) $1::bigint, $2::integer, project_id, document_id, place,
                CASE WHEN reason IS NULL THEN NULL ELSE 'failed' END, reason
         FROM unnest($3::text[], $4::text[], $5::integer[], $6::jsonb[]) AS r(project_id, document_id, place, reason)
         ORDER BY project_id, document_id, place DESC
         ON CONFLICT (project_key, import_key, project_id, document_id) DO UPDATE
         SET place = excluded.place, outcome = excluded.outcome, reason = excluded.reason
         WHERE import_record.place < excluded.place",
    )
    .bind(key)
    .bind(tx.project)
    .bind(records.iter().map(|record| record.project.as_str()).collect::<Vec<_>>())
    .bind(records.iter().map(|record| record.name.as_str()).collect::<Vec<_>>())
    .bind(records.iter().map(|record| record.place).collect::<Vec<_>>())
    .bind(records.iter().map(|record| record.failure.as_ref().map(Json)).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// Returns the places of those records that are not to be queued, because they have an outcome or because a later record of
/// the import is about the same document. Returns `None` if the import must stop.
pub async fn settled(pool: &PgPool, job: &Job, records: &[Record]) -> sqlx::Result<Option<HashSet<i32>>> {
    let mut tx = in_project(job.begin(pool).await?, &job.project).await?;
    let Some(key) = under_way(&mut tx, job).await? else { return Ok(None) };
    let settled: Vec<i32> = sqlx::query_scalar(
        "SELECT asked.place FROM unnest($3::text[], $4::text[], $5::integer[]) AS asked(project_id, document_id, place)
         WHERE (SELECT r.outcome IS NOT NULL OR r.place > asked.place FROM import_record r
                WHERE r.project_key = $2 AND r.import_key = $1
                  AND r.project_id = asked.project_id AND r.document_id = asked.document_id)",
    )
    .bind(key)
    .bind(tx.project)
    .bind(records.iter().map(|record| record.project.as_str()).collect::<Vec<_>>())
    .bind(records.iter().map(|record| record.name.as_str()).collect::<Vec<_>>())
    .bind(records.iter().map(|record| record.place).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(settled.into_iter().collect()))
}

/// Locks the import's row and returns its key. Returns `None` if the import is finished, or was
/// deleted or sent again in the meantime. The documents that the import brings refer to its key, which does not change, so
/// their jobs do not wait for this lock.
async fn under_way(tx: &mut ProjectTx, job: &Job) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar(
        "SELECT key FROM document
         WHERE project_key = $1 AND id = $2 AND accepted_at = $3 AND state = 'processing' FOR NO KEY UPDATE",
    )
    .bind(tx.project)
    .bind(job.document.as_str())
    .bind(job.accepted_at)
    .fetch_optional(&mut **tx)
    .await
}

/// Marks the document as an import. [`counted`] sets the number of its records later. A number that another
/// attempt of the same job has already set is kept.
pub async fn begin(pool: &PgPool, job: &Job) -> sqlx::Result<()> {
    let statement = sqlx::query(
        "UPDATE document SET kind = 'import'
         WHERE project_key = (SELECT key FROM project WHERE id = $1) AND id = $2 AND accepted_at = $3
           AND state = 'processing'",
    );
    job.update(pool, statement).await
}

/// Stores the number of records, after all of them are noted. If the document had a text before, that text no longer
/// answers. Returns the revisions that it had superseded, which must be indexed again.
pub async fn counted(
    pool: &PgPool,
    job: &Job,
    object: &ObjectRef,
    file_type: &str,
) -> sqlx::Result<Vec<Revived>> {
    let mut tx = in_project(job.begin(pool).await?, &job.project).await?;
    let row = find(&mut tx, &job.document).await?;
    let Some(row) = row.filter(|row| row.accepted_at == job.accepted_at && row.state == "processing") else {
        return Ok(Vec::new());
    };
    let sums = row.clear(&mut tx).await?;
    be_patient(&mut tx).await?;
    let counted = Written {
        key: row.key,
        job,
        state: "processing",
        reason: None,
        number_norm: "",
        pages: 0,
        chunks: 0,
        terms: 0,
        text_length: 0,
        superseded_by: None,
        fields: &job.fields(),
        date_modified: job.body.metadata.date_modified,
        object,
        media_type: &job.body.media_type,
        file_type: Some(file_type),
    };
    write(&mut tx, &[counted]).await?;
    sqlx::query(
        "UPDATE document d SET records =
                (SELECT count(*) FROM import_record WHERE project_key = d.project_key AND import_key = d.key)
         WHERE project_key = $1 AND key = $2",
    )
    .bind(tx.project)
    .bind(row.key)
    .execute(&mut *tx)
    .await?;
    let revived = row.revive(&mut tx, None).await?;
    sums.add(&mut tx).await?;
    tx.commit().await?;
    Ok(revived)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Open {
        /// Counted for some of the records only.
        percent: Option<u8>,
    },
    Finished {
        title: String,
        chunks: u32,
        text_length: u64,
    },
    Failed(Reason),
    /// The import was closed by another job, it ends as it had ended before, or it was deleted.
    Closed,
}

/// The progress of an import is counted once per this many records, or per hundredth of them if that is more, because
/// counting reads all of them.
const COUNTED: i32 = 50;

/// Closes the import if every record has an outcome. Only the caller that closes the import gets `Finished` or `Failed`. With
/// `again`, a caller gets the result of an import that is already closed, because the worker that closed the import may have
/// died before it published the event. `ended` are the places of the records that have ended now; 0 stands for the import's
/// own job.
///
/// Records that failed may be queued again when the import is closed. An import whose records had all failed is closed once more
/// when one of them succeeds.
pub async fn close(
    pool: &PgPool,
    import_project: &ProjectId,
    import: &DocumentId,
    ended: &[u32],
    again: bool,
) -> sqlx::Result<Standing> {
    let mut tx = row::begin(pool, import_project).await?;
    let standing: Option<(i64, Option<i32>, bool, String)> = sqlx::query_as(
        "SELECT key, records, EXISTS (SELECT FROM import_record r WHERE r.project_key = d.project_key
                                        AND r.import_key = d.key AND r.outcome IS NULL), state
         FROM document d WHERE project_key = $1 AND id = $2 AND kind = 'import'
           AND (state IN ('processing', 'indexed') OR state = 'failed' AND reason->>'code' = 'records_failed')",
    )
    .bind(tx.project)
    .bind(import.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let former = match standing {
        // Not all records are noted yet; the job that notes them calls this function afterwards.
        Some((_, None, ..)) => return Ok(Standing::Open { percent: None }),
        // Jobs of records that end or start at the same time do not wait for each other: they do not lock the import as long
        // as records without an outcome remain.
        Some((key, Some(records), true, _)) => {
            if !is_counted(ended, records, COUNTED) {
                return Ok(Standing::Open { percent: None });
            }
            let (pending, _) = count(&mut tx, key).await?;
            let done = (i64::from(records) - pending) * 100 / i64::from(records.max(1));
            return Ok(Standing::Open { percent: Some(u8::try_from(done).unwrap_or(99).min(99)) });
        }
        // It was closed without a record that has been queued again. Its text is measured anew after some of these only, because
        // that reads all its documents.
        Some((_, Some(records), false, state))
            if state == "indexed" && !again && !is_counted(ended, records, 1) =>
        {
            return Ok(Standing::Closed);
        }
        standing => standing.map(|(.., state)| state),
    };
    be_patient(&mut tx).await?;
    // As in `under_way`, jobs of records do not wait for this lock.
    let open: Option<(i64, i32, String)> = sqlx::query_as(
        "SELECT key, records, state FROM document
         WHERE project_key = $1 AND id = $2 AND kind = 'import' AND records IS NOT NULL
           AND (state = $3 OR $3 = 'failed' AND state = 'indexed')
         FOR NO KEY UPDATE",
    )
    .bind(tx.project)
    .bind(import.as_str())
    .bind(former)
    .fetch_optional(&mut *tx)
    .await?;
    let Some((key, records, former)) = open else {
        return if again { closed(&mut tx, import).await } else { Ok(Standing::Closed) };
    };
    if again && former == "indexed" {
        return closed(&mut tx, import).await;
    }
    let (pending, failed) = count(&mut tx, key).await?;
    if pending > 0 {
        return Ok(Standing::Open { percent: None });
    }
    let failure = (failed >= i64::from(records)).then(|| match records {
        0 => messages::jobs::no_records().reason("empty"),
        _ => messages::jobs::records_failed().reason("records_failed"),
    });
    let state = if failure.is_some() { "failed" } else { "indexed" };
    // Documents of the import in other projects are outside this transaction's scope, so the sums cover only
    // its own project.
    sqlx::query(
        "UPDATE document d SET state = $2, reason = $3, percent = $4, starts = 0,
                indexed_at = CASE WHEN $3 IS NOT NULL THEN NULL WHEN state = 'indexed' THEN indexed_at ELSE now() END,
                text_length = (SELECT coalesce(sum(text_length), 0) FROM document
                               WHERE parent_project = d.project_key AND parent_key = d.key)
         -- If all records have failed again, nothing has changed.
         WHERE project_key = $5 AND key = $1 AND (state <> 'failed' OR $2 <> 'failed')",
    )
    .bind(key)
    .bind(state)
    .bind(failure.as_ref().map(Json))
    .bind(if failure.is_some() { 0_i16 } else { 100 })
    .bind(tx.project)
    .execute(&mut *tx)
    .await?;
    // An event about an import that ends as before would tell nothing new.
    let standing = if again || state != former { closed(&mut tx, import).await? } else { Standing::Closed };
    tx.commit().await?;
    Ok(standing)
}

/// Whether the import is counted after one of these places: there is one such place in each hundredth of its records, or in this
/// many records if that is more.
fn is_counted(ended: &[u32], records: i32, least: i32) -> bool {
    let every = (records / 100).max(least).unsigned_abs();
    ended.iter().any(|place| place.is_multiple_of(every))
}

/// Returns how many records of the import have no outcome, and how many have failed.
async fn count(tx: &mut ProjectTx, import: i64) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(
        "SELECT count(*) FILTER (WHERE outcome IS NULL), count(*) FILTER (WHERE outcome = 'failed')
         FROM import_record WHERE project_key = $1 AND import_key = $2",
    )
    .bind(tx.project)
    .bind(import)
    .fetch_one(&mut **tx)
    .await
}

async fn closed(tx: &mut ProjectTx, import: &DocumentId) -> sqlx::Result<Standing> {
    let row = sqlx::query_as::<_, (Option<String>, Option<Json<Reason>>, i64, i64)>(
        "SELECT fields->>'title', reason, (SELECT coalesce(sum(chunks), 0) FROM document
                                            WHERE parent_project = d.project_key AND parent_key = d.key),
                text_length
         FROM document d
         WHERE project_key = $1 AND id = $2 AND kind = 'import' AND state IN ('indexed', 'failed')",
    )
    .bind(tx.project)
    .bind(import.as_str())
    .fetch_optional(&mut **tx)
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
