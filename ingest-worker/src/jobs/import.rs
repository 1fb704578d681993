//! A bulk import: a file of records, each of which becomes a job and a document of its own.
//!
//! Only a limited number of an import's records is queued at a time. So the records of several imports
//! alternate in the queue, and no import fills the queue, however large its file is.

mod close;
mod record;

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
pub use close::{close, of};
use documents::Job;
use platform::{
    crash,
    nats::{
        self,
        consume::{Delivery, Failure},
        publish,
    },
};
use reader::{Found, Records};
use record::{Prepared, prepare, text_object};
use schemas::{
    DocumentId, ProjectId,
    event::Stage,
    headers,
    ingest::{IngestDocument, MAX_JOB_BYTES, ObjectRef, Source},
    subjects::JobKind,
};
use tokio_util::sync::CancellationToken;

use super::{
    Outcome,
    document::{read, unreadable},
    files,
    turns::move_to,
};
use crate::{app::App, progress::Progress};

/// Maximum number of records of one import that wait or are in progress at the same time: some seconds of work for one
/// worker, and enough for ten workers.
const WINDOW: usize = 100;
/// Number of records that are queued together.
const BATCH: usize = 50;
/// Number of records that are noted in one transaction.
const NOTED: usize = 200;
/// Time between two checks which records are done.
const LOOK: Duration = Duration::from_millis(200);
/// Time between two checks whether a full queue has room again.
const FULL: Duration = Duration::from_secs(1);

pub struct Import<'a> {
    pub app: &'a App,
    pub delivery: &'a Delivery,
    pub job: &'a Job,
    pub progress: &'a Progress,
    pub stopping: &'a CancellationToken,
    pub path: &'a Path,
    pub file: &'a ObjectRef,
}

/// Whether the records of the import are already noted, so that its job continues with queueing them.
pub fn goes_on(delivery: &Delivery) -> bool {
    position(delivery).is_some()
}

fn position(delivery: &Delivery) -> Option<u32> {
    nats::text(delivery.headers.as_ref(), headers::POSITION)?.parse().ok()
}

/// Records that are queued and not known to be done, by their place in the file.
type Window = BTreeMap<u32, (String, String)>;

enum Room {
    Free,
    /// The import was deleted or sent again.
    Void,
    /// It is the turn of another import, or this worker stops.
    GiveWay,
}

impl Import<'_> {
    /// Notes all records, then queues a job for each. If it is interrupted, it continues where it was last moved behind
    /// other imports: a record published twice is the same job, and a record that is done is not published again.
    pub async fn split(&self, records: Records) -> Result<Outcome, Failure> {
        if let Some(position) = position(self.delivery) {
            return self.queue(records, position).await;
        }
        if !self.note(records).await? {
            return Ok(Outcome::Void);
        }
        crash::point("records-noted", self.job.project.as_str());
        match read(self.app, self.job, JobKind::Import, self.path).await? {
            Found::Records(records) => self.queue(records, 0).await,
            Found::Document(_) => Err(Failure::internal()),
        }
    }

    async fn note(&self, mut records: Records) -> Result<bool, Failure> {
        let (pool, job) = (&self.app.pool, self.job);
        documents::import::begin(pool, job).await?;
        loop {
            let batch = self.next(&mut records, NOTED).await?;
            if batch.is_empty() {
                break;
            }
            let noted: Vec<_> = batch.iter().map(Prepared::noted).collect();
            if !documents::import::note(pool, job, &noted).await? {
                return Ok(false);
            }
            self.progress.at(Stage::Records, 0).await;
        }
        let extension =
            job.body.filename.rsplit_once('.').map_or("ndjson", |(_, extension)| extension).to_lowercase();
        documents::import::counted(pool, job, self.file, &extension).await?;
        Ok(true)
    }

    async fn next(&self, records: &mut Records, most: usize) -> Result<Vec<Prepared>, Failure> {
        let batch = records.next(most).await.map_err(unreadable)?;
        Ok(batch.into_iter().map(|record| prepare(self.job, record)).collect())
    }

    /// Publishes the records from this position on.
    async fn queue(&self, mut records: Records, position: u32) -> Result<Outcome, Failure> {
        let (mut index, mut window, mut started) = (0, Window::new(), None);
        loop {
            let batch = self.next(&mut records, BATCH).await?;
            if batch.is_empty() {
                crash::point("records-published", self.job.project.as_str());
                tracing::info!(records = index, "the records of an import are queued");
                return Ok(Outcome::Split);
            }
            let end = index + u32::try_from(batch.len()).unwrap_or(u32::MAX);
            if end <= position {
                index = end;
                continue;
            }
            // The turn begins where the queueing continues. If the time to read the file up to there counted,
            // the import of a long file might never get further.
            match self.room(&mut window, *started.get_or_insert_with(Instant::now)).await? {
                Room::Free => {}
                Room::Void => return Ok(Outcome::Void),
                Room::GiveWay => {
                    let first = window.first_key_value().map_or(index, |(first, _)| *first);
                    move_to(self.app, self.delivery, self.job, JobKind::Import, Some(first)).await?;
                    return Ok(Outcome::Moved);
                }
            }
            let names =
                batch.iter().filter_map(Prepared::document).map(DocumentId::as_str).collect::<Vec<_>>();
            let Some(done) = documents::import::settled(&self.app.pool, self.job, &names).await? else {
                return Ok(Outcome::Void);
            };
            for record in batch {
                if let Prepared::Document { project, document, body } = record {
                    let record = (project.to_string(), document.to_string());
                    if !done.contains(&record) {
                        self.publish(index, &project, &document, *body).await?;
                        window.insert(index, record);
                    }
                }
                index += 1;
            }
        }
    }

    /// Waits until more records may be queued. An import whose turn is over first waits until all its queued
    /// records are done: otherwise the queue would hold more of them after each turn.
    async fn room(&self, window: &mut Window, started: Instant) -> Result<Room, Failure> {
        loop {
            let is_over = started.elapsed() > self.app.import_turn;
            if self.stopping.is_cancelled() || (is_over && window.is_empty()) {
                return Ok(Room::GiveWay);
            }
            if !is_over && window.len() + BATCH <= WINDOW {
                return Ok(Room::Free);
            }
            let names: Vec<&str> = window.values().map(|(_, document)| document.as_str()).collect();
            let Some(done) = documents::import::settled(&self.app.pool, self.job, &names).await? else {
                return Ok(Room::Void);
            };
            window.retain(|_, record| !done.contains(record));
            if done.is_empty() {
                self.stopping.run_until_cancelled(tokio::time::sleep(LOOK)).await;
            }
        }
    }

    async fn publish(
        &self,
        index: u32,
        project: &ProjectId,
        document: &DocumentId,
        mut body: IngestDocument,
    ) -> Result<(), Failure> {
        let (app, accepted_at) = (self.app, self.job.accepted_at);
        // A job has a maximum size, so a longer text is stored in the object store first.
        if let Source::Text(text) = &body.source
            && serde_json::to_vec(&body).map_err(publish::Error::from)?.len() > MAX_JOB_BYTES
        {
            let name = text_object(self.job, project, document);
            body.source = Source::Object(files::store(app, &name, text.clone().into()).await?);
        }
        let (of, import) = (self.job.project.token(), self.job.document.token());
        let id = format!("record:{of}:{import}:{}:{index}", accepted_at.timestamp_micros());
        let mut map = self.delivery.context.headers();
        map.insert(headers::MESSAGE_ID, app.message_id(&id).as_str());
        // A record counts as accepted with its import, however late it is queued: a document sent after the import is
        // newer.
        let ordered_at = accepted_at + TimeDelta::microseconds(index.into());
        map.insert(headers::ORDERED_AT, ordered_at.to_rfc3339().as_str());
        let payload: bytes::Bytes = serde_json::to_vec(&body).map_err(publish::Error::from)?.into();
        loop {
            let subject = body.subject(project, document);
            // If the queue is full, this waits here.
            match app.nats.publish_raw(subject, map.clone(), payload.clone()).await {
                Err(publish::Error::Full) => {}
                published => return Ok(published?),
            }
            if self.stopping.run_until_cancelled(tokio::time::sleep(FULL)).await.is_none() {
                return Err(Failure::Wait("the queue is full".to_owned()));
            }
        }
    }
}

/// Whether a file is a record's long text, which is read as plain text, whatever the record's file name or its first
/// words look like.
pub fn is_text_of_a_record(job: &Job, object: &ObjectRef) -> bool {
    job.body.parent.is_some() && object.name.starts_with(files::RECORD)
}
