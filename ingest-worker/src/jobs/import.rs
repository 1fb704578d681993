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

pub use close::{close, of};
use documents::{Job, import::Record as Noted};
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

use super::{
    Jobs, Outcome, attachments,
    document::{read, unreadable},
    files,
    queue::{again, headers_of_part},
    stops,
    turns::move_to,
};
use crate::progress::Progress;

/// Maximum number of records of an import that wait or are in progress: some seconds of work, enough for ten workers.
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
    pub jobs: &'a Jobs,
    pub delivery: &'a Delivery,
    pub job: &'a Job,
    pub progress: &'a Progress,
    pub path: &'a Path,
    pub file: &'a ObjectRef,
}

/// Returns from which record on an import whose records are already noted continues with queueing them.
pub fn position(delivery: &Delivery) -> Option<u32> {
    nats::text(delivery.headers.as_ref(), headers::POSITION)?.parse().ok()
}

/// Records that are queued and not known to be done, by their number.
type Window = BTreeMap<u32, Noted>;

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
        match read(self.jobs, self.job, self.path).await? {
            Found::Records(records) => self.queue(records, 0).await,
            Found::Document(_) => Err(Failure::internal()),
        }
    }

    async fn note(&self, mut records: Records) -> Result<bool, Failure> {
        let (app, job, mut first) = (&self.jobs.app, self.job, true);
        let pool = &app.pool;
        documents::import::begin(pool, job).await?;
        loop {
            if self.jobs.stopping.is_cancelled() {
                return Err(stops());
            }
            let batch = self.next(&mut records, NOTED, std::mem::take(&mut first)).await?;
            if batch.is_empty() {
                break;
            }
            let noted: Vec<_> = batch.into_iter().map(|record| record.noted).collect();
            if !documents::import::note(pool, job, &noted).await? {
                return Ok(false);
            }
            self.progress.at(Stage::Records, 0).await;
        }
        let extension =
            job.body.filename.rsplit_once('.').map_or("ndjson", |(_, extension)| extension).to_lowercase();
        let counted = documents::import::counted(pool, job, self.file, &extension);
        let revived = app.generations.changing(job, counted).await?;
        again(app, self.delivery, &job.project, revived).await?;
        attachments::delete_others(app, self.delivery, job, &[]).await?;
        Ok(true)
    }

    /// Returns the next records; `first` says whether they are the first ones of the file.
    async fn next(&self, records: &mut Records, most: usize, first: bool) -> Result<Vec<Prepared>, Failure> {
        let mut batch = records.next(most).await.map_err(unreadable)?;
        if first && batch.len() == 1 {
            batch.extend(records.next(most).await.map_err(unreadable)?);
        }
        let is_alone = first && batch.len() == 1;
        Ok(batch.into_iter().map(|record| prepare(self.job, record, is_alone)).collect())
    }

    /// Publishes the records from this position on.
    async fn queue(&self, mut records: Records, position: u32) -> Result<Outcome, Failure> {
        let (mut index, mut window, mut started) = (0, Window::new(), None);
        loop {
            let batch = self.next(&mut records, BATCH, index == 0).await?;
            if batch.is_empty() {
                crash::point("records-published", self.job.project.as_str());
                tracing::info!(records = index, "the records of an import are queued");
                return Ok(Outcome::Split);
            }
            let end = index + u32::try_from(batch.len()).unwrap_or(u32::MAX);
            if end <= position {
                if self.jobs.stopping.is_cancelled() {
                    return Err(stops());
                }
                index = end;
                continue;
            }
            // The turn begins where the queueing continues. If the time to read the file up to there counted,
            // the import of a long file might never get further.
            let started = *started.get_or_insert_with(Instant::now);
            if let Some(outcome) = self.wait_for_room(&mut window, index, started).await? {
                return Ok(outcome);
            }
            let noted: Vec<Noted> = batch.iter().map(|record| record.noted.clone()).collect();
            let Some(done) = documents::import::settled(&self.jobs.app.pool, self.job, &noted).await? else {
                return Ok(Outcome::Void);
            };
            for Prepared { noted, document } in batch {
                if let Some((document, body)) = document
                    && !done.contains(&noted.place)
                {
                    self.publish(index, &noted.project, &document, *body).await?;
                    window.insert(index, noted);
                }
                index += 1;
            }
        }
    }

    /// Waits until the records from `index` on may be queued; returns the outcome if the import gives way or is void. If its
    /// turn is over, it first waits until its queued records are done: else the queue would hold more after each turn.
    async fn wait_for_room(
        &self,
        window: &mut Window,
        index: u32,
        started: Instant,
    ) -> Result<Option<Outcome>, Failure> {
        let app = &self.jobs.app;
        loop {
            let is_over = started.elapsed() > app.import_turn;
            if self.jobs.stopping.is_cancelled() || (is_over && window.is_empty()) {
                let first = window.first_key_value().map_or(index, |(first, _)| *first);
                move_to(app, self.delivery, self.job, JobKind::Import, Some(first)).await?;
                return Ok(Some(Outcome::Moved));
            }
            if !is_over && window.len() + BATCH <= WINDOW {
                return Ok(None);
            }
            let queued: Vec<Noted> = window.values().cloned().collect();
            let Some(done) = documents::import::settled(&app.pool, self.job, &queued).await? else {
                return Ok(Some(Outcome::Void));
            };
            window.retain(|_, record| !done.contains(&record.place));
            if done.is_empty() {
                self.jobs.stopping.run_until_cancelled(tokio::time::sleep(LOOK)).await;
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
        let app = &self.jobs.app;
        // A job has a maximum size, so a longer text is stored in the object store first.
        if let Source::Text(text) = &body.source
            && serde_json::to_vec(&body).map_err(publish::Error::from)?.len() > MAX_JOB_BYTES
        {
            let name = text_object(self.job, project, document);
            body.source = Source::Object(files::store(app, &name, text.clone().into()).await?);
        }
        let (of, import) = (self.job.project.token(), self.job.document.token());
        let id = format!("record:{of}:{import}:{}:{index}", self.job.accepted_at.timestamp_micros());
        let map = headers_of_part(app, self.delivery, self.job, &id, index);
        let payload: bytes::Bytes = serde_json::to_vec(&body).map_err(publish::Error::from)?.into();
        loop {
            let subject = body.subject(project, document);
            // If the queue is full, this waits here.
            match app.nats.publish_raw(subject, map.clone(), payload.clone()).await {
                Err(publish::Error::Full) => {}
                published => return Ok(published?),
            }
            if self.jobs.stopping.run_until_cancelled(tokio::time::sleep(FULL)).await.is_none() {
                return Err(Failure::Wait("the queue is full".to_owned()));
            }
        }
    }
}

/// Whether a file is a record's long text, which is plain text, whatever its file name or first words look like.
pub fn is_text_of_a_record(job: &Job, object: &ObjectRef) -> bool {
    job.body.parent.is_some() && object.name.starts_with(files::RECORD)
}
