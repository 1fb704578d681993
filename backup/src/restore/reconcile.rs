//! Compares the queue of the last backup with the restored database, which is newer. Jobs that were finished since then
//! must not run again (deleted documents would return), and documents whose job is lost must not stay unfinished.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    pin::pin,
};

use anyhow::Result;
use chrono::{DateTime, SubsecRound as _, Utc};
use futures::{Stream, StreamExt as _};
use schemas::{
    DocumentId, ProjectId,
    ingest::{IngestDocument, SentFile, Source},
    subjects::{self, JobKind},
};
use sqlx::{Connection as _, PgConnection, types::Json};

use crate::messages::Message;

/// What a restore has to do after the database is restored.
#[derive(Debug, Default)]
pub struct Plan {
    /// Jobs besides those in the queue. Each does what a lost job would have done, or restores the previous version of a
    /// document whose newest job is lost.
    pub again: Vec<Message>,
    pub files: BTreeSet<Wanted>,
    /// The places in the queue of the jobs that were finished after the queue was read. All other messages are to be
    /// published again.
    pub settled: HashSet<usize>,
    /// Number of documents whose first job is lost; they are marked as failed.
    pub lost: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    pub name: String,
    /// Empty if the sender did not state it.
    pub sha256: String,
    /// False for the file of a producer, whose parts may still be in the queue.
    pub is_needed: bool,
}

impl Plan {
    fn want(&mut self, body: &IngestDocument, job: Option<&(ProjectId, DocumentId)>) {
        let (object, is_needed) = match (&body.source, job) {
            (Source::Object(object), _) => (object.clone(), true),
            (Source::File(file), Some((project, document))) => (file.object(project, document), false),
            (Source::Text(_) | Source::File(_), _) => return,
        };
        self.files.insert(Wanted { name: object.name, sha256: object.sha256.to_lowercase(), is_needed });
    }
}

pub async fn plan(
    connection: &mut PgConnection,
    queue: impl Stream<Item = Result<Message>> + Send,
) -> Result<Plan> {
    let mut tx = connection.begin().await?;
    let mut plan = Plan::default();
    // The documents that have a job in the queue, each with the time at which the last one was accepted; and the imports that
    // have a record's job there, each with the time at which that import was accepted.
    let (mut queued, mut awaited) = (HashMap::new(), HashSet::new());
    let mut queue = pin!(queue.enumerate());
    while let Some((place, message)) = queue.next().await {
        let message = message?;
        let body = match subjects::is_part(&message.subject) {
            true => None,
            false => serde_json::from_slice::<IngestDocument>(&message.payload()?).ok(),
        };
        if let Ok((project, document)) = subjects::parse_job(&message.subject) {
            let (accepted_at, since) = (message.accepted_at().trunc_subsecs(6), message.since());
            let job = body.as_ref();
            if documents::is_settled(&mut tx, &project, &document, accepted_at, since, job).await? {
                plan.settled.insert(place);
                if let Some(body) = job
                    && was_mail(&mut tx, &project, &document, accepted_at).await?
                {
                    let mail = (project, document);
                    plan.want(body, Some(&mail));
                    plan.again.push(Message::again(message.subject.clone(), since, &message.payload()?));
                    note(&mut queued, mail, accepted_at);
                }
                continue;
            }
            let of = job.and_then(|job| job.parent.as_ref());
            awaited.extend(of.map(|of| ((of.project_id.clone(), of.document_id.clone()), of.accepted_at)));
            if message.subject != subjects::job(JobKind::Delete, &project, &document) {
                note(&mut queued, (project, document), accepted_at);
            }
        }
        if let Some(body) = &body {
            plan.want(body, message.job().as_ref());
        }
    }
    for waiting in unfinished(&mut tx).await? {
        let own = ids(&waiting.project, &waiting.document)?;
        let parent = waiting.parent_project.as_deref().zip(waiting.parent.as_deref());
        let parent = parent.map(|(project, parent)| ids(project, parent)).transpose()?;
        // The import or mail publishes the document's job again. That job must not find the document failed, and an earlier
        // content must not come after it.
        if parent.is_some_and(|parent| queued.get(&parent) == waiting.parent_accepted_at.as_ref()) {
            note(&mut queued, own.clone(), waiting.accepted_at);
        }
        let mut times = [None, Some(waiting.accepted_at)].into_iter();
        if queued.contains_key(&own) || times.any(|at| awaited.contains(&(own.clone(), at))) {
            continue;
        }
        match waiting.job {
            Some(Json(job)) => {
                plan.want(&job, None);
                let (subject, payload) = (job.subject(&own.0, &own.1), serde_json::to_vec(&job)?);
                plan.again.push(Message::again(subject, waiting.since, &payload));
            }
            None => {
                documents::fail::lose(&mut tx, waiting.project_key, waiting.key).await?;
                plan.lost += 1;
            }
        }
    }
    for (project, document, at) in half_deleted(&mut tx).await? {
        let (project, document) = ids(&project, &document)?;
        let subject = subjects::job(JobKind::Delete, &project, &document);
        plan.again.push(Message::again(subject, at, b"{}"));
    }
    // The files of all current documents. Other files belong to documents deleted since then, and are not restored.
    // That of a failed document may never have come from its producer.
    let documents: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT object, lower(sha256), state <> 'failed' OR NOT starts_with(object, $1) FROM document
         WHERE object <> '' AND state <> 'deleted'",
    )
    .bind(SentFile::OBJECTS)
    .fetch_all(&mut *tx)
    .await?;
    plan.files.extend(documents.into_iter().map(|(name, sha256, is_needed)| Wanted {
        name,
        sha256,
        is_needed,
    }));
    tx.commit().await?;
    Ok(plan)
}

/// The project and the id of a document.
type Id = (ProjectId, DocumentId);

fn ids(project: &str, document: &str) -> Result<Id> {
    Ok((project.parse()?, document.parse()?))
}

/// Notes that a job of the document is in the queue, unless a later one is noted already.
fn note(queued: &mut HashMap<Id, DateTime<Utc>>, document: Id, accepted_at: DateTime<Utc>) {
    let last = queued.entry(document).or_insert(accepted_at);
    *last = accepted_at.max(*last);
}

/// Whether a finished job was that of a mail. The jobs of its attachments may have been published after the queue was read and
/// be lost, so the mail is read again.
async fn was_mail(
    tx: &mut PgConnection,
    project: &ProjectId,
    document: &DocumentId,
    accepted_at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let file_type: Option<String> = sqlx::query_scalar(
        "SELECT d.file_type FROM document d JOIN project p ON p.key = d.project_key
         WHERE p.id = $1 AND d.id = $2 AND d.accepted_at = $3 AND d.state IN ('indexed', 'superseded')",
    )
    .bind(project.as_str())
    .bind(document.as_str())
    .bind(accepted_at)
    .fetch_optional(tx)
    .await?;
    Ok(file_type.is_some_and(|file_type| documents::start::is_mail(&file_type)))
}

/// A document that waits for a job.
#[derive(sqlx::FromRow)]
struct Unfinished {
    project_key: i32,
    key: i64,
    project: String,
    document: String,
    accepted_at: DateTime<Utc>,
    since: DateTime<Utc>,
    /// The job from which the document was last indexed.
    job: Option<Json<IngestDocument>>,
    /// What a document in progress came with, unless that was sent again since.
    parent_project: Option<String>,
    parent: Option<String>,
    parent_accepted_at: Option<DateTime<Utc>>,
}

/// Returns the documents in progress, and the superseded revisions that were about to answer again because the revision that
/// superseded them is gone. Attachments have no number, so only a revision that is gone counts for them.
async fn unfinished(tx: &mut PgConnection) -> sqlx::Result<Vec<Unfinished>> {
    sqlx::query_as(
        "SELECT d.project_key, d.key, p.id AS project, d.id AS document, d.accepted_at,
                coalesce(d.since, d.accepted_at) AS since, d.job,
                parent_project.id AS parent_project, parent.id AS parent, parent.accepted_at AS parent_accepted_at
         FROM document d JOIN project p ON p.key = d.project_key
         LEFT JOIN document parent ON parent.project_key = d.parent_project AND parent.key = d.parent_key
                                  AND parent.accepted_at <= d.accepted_at AND d.state = 'processing'
         LEFT JOIN project parent_project ON parent_project.key = parent.project_key
         WHERE d.state = 'processing'
            OR (d.state = 'superseded' AND d.job IS NOT NULL AND EXISTS (
                    SELECT FROM document newer WHERE newer.project_key = d.project_key AND newer.id = d.superseded_by
                       AND (newer.state IN ('deleted', 'failed')
                            OR (d.number_norm <> '' AND newer.number_norm <> d.number_norm))))
         ORDER BY d.accepted_at, d.key",
    )
    .fetch_all(tx)
    .await
}

/// Returns the deleted documents that left something behind of what came with them, each with the time of its deletion:
/// a deletion begins with the document itself, and the log may end before the rest is deleted.
async fn half_deleted(tx: &mut PgConnection) -> sqlx::Result<Vec<(String, String, DateTime<Utc>)>> {
    sqlx::query_as(
        "SELECT p.id, d.id, d.accepted_at FROM document d JOIN project p ON p.key = d.project_key
         WHERE d.state = 'deleted' AND EXISTS (
                   SELECT FROM document part
                   WHERE part.parent_project = d.project_key AND part.parent_key = d.key
                     AND part.project_key = d.project_key AND part.state <> 'deleted'
                     AND coalesce(part.since, part.accepted_at) < d.accepted_at)
         ORDER BY d.accepted_at",
    )
    .fetch_all(tx)
    .await
}

#[cfg(test)]
mod tests;
