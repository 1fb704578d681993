//! Compares the queue of the last backup with the restored database, which is newer. Jobs that were finished since then
//! must not run again (deleted documents would return), and documents whose job is lost must not stay unfinished.

use std::{
    collections::{BTreeSet, HashSet},
    pin::pin,
};

use anyhow::Result;
use futures::{Stream, StreamExt as _};
use schemas::{
    DocumentId, ProjectId,
    ingest::{IngestDocument, Source},
    subjects::{self, JobKind},
};
use sqlx::{Connection as _, PgConnection, Postgres, Transaction, types::Json};

use crate::messages::Message;

/// What a restore has to do after the database is restored.
#[derive(Debug, Default)]
pub struct Plan {
    /// Jobs for documents whose newest job is lost: they restore the previous version of the document.
    pub again: Vec<(String, IngestDocument)>,
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
    // The documents that the queue can still finish: those with a job, and imports with a job of one of their
    // records.
    let mut alive = HashSet::new();
    let mut queue = pin!(queue.enumerate());
    while let Some((place, message)) = queue.next().await {
        let message = message?;
        let body = match subjects::is_part(&message.subject) {
            true => None,
            false => serde_json::from_slice::<IngestDocument>(&message.payload()?).ok(),
        };
        let parent = body.as_ref().and_then(|body| body.parent.as_ref());
        if let Ok((project, document)) = subjects::parse_job(&message.subject) {
            let accepted_at = message.accepted_at();
            if documents::is_settled(&mut tx, &project, &document, accepted_at, parent).await? {
                plan.settled.insert(place);
                continue;
            }
            alive.extend(parent.map(|parent| (parent.project_id.clone(), parent.document_id.clone())));
            if message.subject != subjects::job(JobKind::Delete, &project, &document) {
                alive.insert((project, document));
            }
        }
        if let Some(body) = &body {
            plan.want(body, message.job().as_ref());
        }
    }
    let unsettled: Vec<Unsettled> = sqlx::query_as(
        "SELECT p.id, d.id, p.key, d.key, d.job FROM document d JOIN project p ON p.key = d.project_key
         WHERE d.state = 'processing' ORDER BY d.accepted_at",
    )
    .fetch_all(&mut *tx)
    .await?;
    for (project, document, project_key, key, job) in unsettled {
        let (project, document): (ProjectId, DocumentId) = (project.parse()?, document.parse()?);
        if alive.contains(&(project.clone(), document.clone())) {
            continue;
        }
        match job {
            Some(Json(job)) => plan.again.push((job.subject(&project, &document), job)),
            None => {
                documents::fail::lose(&mut tx, project_key, key).await?;
                plan.lost += 1;
            }
        }
    }
    want_documents(&mut tx, &mut plan).await?;
    tx.commit().await?;
    Ok(plan)
}

/// A document in progress: the project's id, the document's id, the project's key, the document's key, and
/// the job from which the document was last indexed.
type Unsettled = (String, String, i32, i64, Option<Json<IngestDocument>>);

/// Adds the files of all current documents. Other files belong to documents deleted since then, and are not restored.
async fn want_documents(tx: &mut Transaction<'_, Postgres>, plan: &mut Plan) -> sqlx::Result<()> {
    let documents: Vec<(String, String)> = sqlx::query_as(
        "SELECT object, lower(sha256) FROM document WHERE object <> '' AND state <> 'deleted'",
    )
    .fetch_all(&mut **tx)
    .await?;
    plan.files.extend(documents.into_iter().map(|(name, sha256)| Wanted { name, sha256, is_needed: true }));
    for index in 0..plan.again.len() {
        if let Some((_, job)) = plan.again.get(index) {
            let job = job.clone();
            plan.want(&job, None);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
