//! Brings superseded revisions back when the one that answers is gone.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use schemas::{Metadata, ingest::IngestDocument};
use sqlx::types::Json;

use crate::{
    Revived,
    revision::Revision,
    row::{Row, lock},
    scope::ProjectTx,
};

impl Row {
    /// Returns the revisions that must be indexed again because this document no longer answers ([`revive`]).
    pub async fn revive(
        &self,
        tx: &mut ProjectTx,
        kept: Option<(&str, &Revision)>,
    ) -> sqlx::Result<Vec<Revived>> {
        // Boxed, because every commit's future would contain its size.
        Box::pin(revive(tx, &[&self.id], kept)).await
    }
}

/// A superseded revision, without its text.
#[derive(sqlx::FromRow)]
struct Superseded {
    key: i64,
    id: String,
    number_norm: String,
    metadata: Json<Metadata>,
    date_modified: Option<DateTime<Utc>>,
    since: DateTime<Utc>,
}

impl Superseded {
    fn revision(&self) -> Revision {
        Revision { date_modified: self.date_modified, ..Revision::of(&self.metadata, self.since) }
    }
}

/// Returns the revisions that must be indexed again because these documents no longer answer: of each number, the newest one
/// that was superseded by one of them. Nothing comes back if a newer revision of the number answers.
///
/// A revision refers to the one that superseded it. It keeps this reference when that one is superseded in turn, so that the
/// commit of a new revision does not write all earlier ones. When the one that it refers to is gone, it refers to its
/// successor: the revision that answers or comes back.
///
/// If a document keeps a number, `kept` is the identity of that number and what the document is now. What it superseded under
/// that number stays superseded, unless that is newer: a correction may have made the document older.
pub async fn revive(
    tx: &mut ProjectTx,
    gone: &[&str],
    kept: Option<(&str, &Revision)>,
) -> sqlx::Result<Vec<Revived>> {
    let superseded: Vec<Superseded> = sqlx::query_as(
        "SELECT key, id, number_norm, job->'metadata' AS metadata, date_modified, coalesce(since, accepted_at) AS since FROM document
         WHERE project_key = $1 AND superseded_by = ANY($2) AND state = 'superseded' AND job IS NOT NULL
         ORDER BY key",
    )
    .bind(tx.project)
    .bind(gone)
    .fetch_all(&mut **tx)
    .await?;
    let mut by_number: BTreeMap<String, Vec<Superseded>> = BTreeMap::new();
    for one in superseded {
        if let Some(identity) = analysis::codes::identity(&one.metadata.fields.number)
            && kept.is_none_or(|(kept, ours)| kept != identity || one.revision().replaces(ours))
        {
            by_number.entry(identity).or_default().push(one);
        }
    }
    let gone: HashSet<&str> = gone.iter().copied().collect();
    let mut revived = Vec::new();
    for (identity, mut revisions) in by_number {
        let mut answering = answering(tx, &revisions[0].number_norm, &identity).await?;
        answering.retain(|row| !gone.contains(row.id.as_str()));
        while let Some(newest) = take_newest(&mut revisions) {
            let newer = answering.iter().find(|row| !newest.revision().replaces(&row.revision()));
            if let Some(current) = newer {
                revisions.push(newest);
                refer(tx, &revisions, &current.id).await?;
                break;
            }
            let job: Option<Json<IngestDocument>> = sqlx::query_scalar(
                "SELECT job FROM document WHERE project_key = $1 AND key = $2 AND state = 'superseded' FOR UPDATE",
            )
            .bind(tx.project)
            .bind(newest.key)
            .fetch_optional(&mut **tx)
            .await?;
            // If it was deleted at this moment, or is being indexed again, the next one takes its place.
            if let (Some(Json(job)), Ok(document)) = (job, newest.id.parse()) {
                refer(tx, &revisions, &newest.id).await?;
                revived.push(Revived { document, job, since: newest.since });
                break;
            }
        }
    }
    Ok(revived)
}

fn take_newest(revisions: &mut Vec<Superseded>) -> Option<Superseded> {
    let newest = (0..revisions.len()).reduce(|best, at| {
        if revisions[at].revision().replaces(&revisions[best].revision()) { at } else { best }
    });
    newest.map(|newest| revisions.swap_remove(newest))
}

/// Makes superseded revisions refer to this one.
async fn refer(tx: &mut ProjectTx, revisions: &[Superseded], to: &str) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE document SET superseded_by = $3 WHERE project_key = $1 AND key = ANY($2) AND state = 'superseded'",
    )
    .bind(tx.project)
    .bind(revisions.iter().map(|revision| revision.key).collect::<Vec<_>>())
    .bind(to)
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Locks and returns the revisions of a document that answer: there is one at most, besides those being committed. The
/// database can compare only `number_norm`, which is less exact than the identity of a number.
pub async fn answering(tx: &mut ProjectTx, number_norm: &str, identity: &str) -> sqlx::Result<Vec<Row>> {
    let keys: Vec<i64> = sqlx::query_scalar(
        "SELECT key FROM document
         WHERE project_key = $1 AND number_norm = $2 AND (state = 'indexed' OR chunks > 0)",
    )
    .bind(tx.project)
    .bind(number_norm)
    .fetch_all(&mut **tx)
    .await?;
    let mut rows = lock(tx, &keys).await?;
    rows.retain(|row| {
        (row.state == "indexed" || row.chunks > 0)
            && analysis::codes::identity(&row.fields.number).as_deref() == Some(identity)
    });
    Ok(rows)
}
