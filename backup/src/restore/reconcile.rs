//! The queue of the last backup against the restored database, which is newer: what was settled since must not be done
//! again (it would bring back what was deleted), and what was begun since and is in no queue must not hang for ever.

use std::collections::{BTreeSet, HashSet};

use anyhow::Result;
use schemas::{
    DocumentId, ProjectId,
    ingest::{IngestDocument, Source},
    subjects::{self, JobKind},
};
use sqlx::{Connection as _, PgConnection, Postgres, Transaction, types::Json};

use crate::messages::Message;

/// What a restore has to do besides the database.
#[derive(Debug, Default)]
pub struct Plan {
    /// Jobs and dead letters as they were.
    pub messages: Vec<Message>,
    /// Jobs of documents whose newest job is lost: they become what they were.
    pub again: Vec<(String, IngestDocument)>,
    pub files: BTreeSet<Wanted>,
    /// Jobs that were settled after the queue was read.
    pub settled: usize,
    /// Documents whose first job is lost; they are marked as failed.
    pub lost: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    pub name: String,
    /// Empty when its sender did not say.
    pub sha256: String,
    /// A producer's file may still be in parts, which come back with the queue.
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

pub async fn plan(connection: &mut PgConnection, queue: Vec<Message>) -> Result<Plan> {
    let mut tx = connection.begin().await?;
    let mut plan = Plan::default();
    // Documents with a job of their own, and imports with a record's.
    let mut alive = HashSet::new();
    for message in queue {
        let body = match subjects::is_part(&message.subject) {
            true => None,
            false => serde_json::from_slice::<IngestDocument>(&message.payload()?).ok(),
        };
        let parent = body.as_ref().and_then(|body| body.parent.as_ref());
        if let Ok((project, document)) = subjects::parse_job(&message.subject) {
            if documents::is_settled(&mut tx, &project, &document, message.time, parent).await? {
                plan.settled += 1;
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
        plan.messages.push(message);
    }
    let unsettled: Vec<(String, String, i32, i64, Option<Json<IngestDocument>>)> = sqlx::query_as(
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

/// The files of the documents as they are now. Others belong to documents deleted since, and do not come back.
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
