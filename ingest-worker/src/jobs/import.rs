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
use futures::{StreamExt as _, TryStreamExt as _, stream};
use platform::{
    crash,
    nats::{self, consume::Failure, publish},
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
    Attempt, Outcome, attachments,
    document::{read, unreadable},
    files,
    queue::{again, headers_of_part},
    stops,
};

/// Maximum number of records of an import that wait or are in progress: some seconds of work, enough for five workers.
const WINDOW: usize = 150;
/// Number of records that are queued together.
const BATCH: usize = 50;
/// Number of records that are being published at a time.
const TOGETHER: usize = 8;
/// Number of records that are noted in one transaction.
const NOTED: usize = 200;
/// Time between two checks which records are done.
const LOOK: Duration = Duration::from_millis(200);
/// Time between two checks whether a full queue has room again.
const FULL: Duration = Duration::from_secs(1);

pub struct Import<'a> {
    pub attempt: &'a Attempt<'a>,
    pub path: &'a Path,
    pub file: &'a ObjectRef,
}

/// Returns from which record on an import whose records are already noted continues with queueing them.
pub fn position(attempt: &Attempt<'_>) -> Option<u32> {
    nats::text(attempt.delivery.headers.as_ref(), headers::POSITION)?.parse().ok()
}

/// Records that are queued and not known to be done, by their number.
type Window = BTreeMap<u32, Noted>;

impl Import<'_> {
    /// Notes all records, then queues a job for each. If it is interrupted, it continues where it was last moved behind
    /// other imports: a record published twice is the same job, and a record that is done is not published again.
    pub async fn split(&self, records: Records) -> Result<Outcome, Failure> {
        if let Some(position) = position(self.attempt) {
            return self.queue(records, position).await;
        }
        if !self.note(records).await? {
            return Ok(Outcome::Void);
        }
        crash::point("records-noted", self.attempt.job.project.as_str());
        match read(self.attempt, self.path).await? {
            Found::Records(records) => self.queue(records, 0).await,
            Found::Document(_) => Err(Failure::internal()),
        }
    }

    async fn note(&self, mut records: Records) -> Result<bool, Failure> {
        let Attempt { jobs, delivery, job, progress } = self.attempt;
        let (pool, mut first) = (&jobs.app.pool, true);
        documents::import::begin(pool, job).await?;
        loop {
            if jobs.stopping.is_cancelled() {
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
            progress.at(Stage::Records, 0).await;
        }
        let extension =
            job.body.filename.rsplit_once('.').map_or("ndjson", |(_, extension)| extension).to_lowercase();
        let counted = documents::import::counted(pool, job, self.file, &extension);
        let revived = jobs.app.generations.changing(job, counted).await?;
        again(&jobs.app, delivery, &job.project, revived).await?;
        attachments::delete_others(self.attempt, &[]).await?;
        Ok(true)
    }

    /// Returns the next records; `first` says whether they are the first ones of the file.
    async fn next(&self, records: &mut Records, most: usize, first: bool) -> Result<Vec<Prepared>, Failure> {
        let mut batch = records.next(most).await.map_err(unreadable)?;
        if first && batch.len() == 1 {
            batch.extend(records.next(most).await.map_err(unreadable)?);
        }
        let is_alone = first && batch.len() == 1;
        Ok(batch.into_iter().map(|record| prepare(&self.attempt.job, record, is_alone)).collect())
    }

    /// Publishes the records from this position on.
    async fn queue(&self, mut records: Records, position: u32) -> Result<Outcome, Failure> {
        let Attempt { jobs, job, .. } = self.attempt;
        let (mut index, mut window, mut started) = (0, Window::new(), None);
        loop {
            let batch = self.next(&mut records, BATCH, index == 0).await?;
            if batch.is_empty() {
                crash::point("records-published", job.project.as_str());
                tracing::info!(records = index, "the records of an import are queued");
                return Ok(Outcome::Split);
            }
            let end = index + u32::try_from(batch.len()).unwrap_or(u32::MAX);
            if end <= position {
                if jobs.stopping.is_cancelled() {
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
            let Some(done) = documents::import::settled(&jobs.app.pool, job, &noted).await? else {
                return Ok(Outcome::Void);
            };
            let due = (index..).zip(batch).filter(|(_, record)| !done.contains(&record.noted.place));
            let publishing = due.filter_map(|(index, Prepared { noted, document })| {
                let (document, body) = document?;
                Some(async move {
                    self.publish(index, &noted.project, &document, *body).await?;
                    Ok::<_, Failure>((index, noted))
                })
            });
            // If each waited for the one before, every record would wake both sides up.
            let published: Vec<_> = stream::iter(publishing).buffered(TOGETHER).try_collect().await?;
            window.extend(published);
            index = end;
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
        let Attempt { jobs, job, .. } = self.attempt;
        loop {
            let is_over = started.elapsed() > jobs.app.import_turn;
            if jobs.stopping.is_cancelled() || (is_over && window.is_empty()) {
                let first = window.first_key_value().map_or(index, |(first, _)| *first);
                self.attempt.move_to(JobKind::Import, Some(first)).await?;
                return Ok(Some(Outcome::Moved));
            }
            if !is_over && window.len() + BATCH <= WINDOW {
                return Ok(None);
            }
            let queued: Vec<Noted> = window.values().cloned().collect();
            let Some(done) = documents::import::settled(&jobs.app.pool, job, &queued).await? else {
                return Ok(Some(Outcome::Void));
            };
            window.retain(|_, record| !done.contains(&record.place));
            if done.is_empty() {
                jobs.stopping.run_until_cancelled(tokio::time::sleep(LOOK)).await;
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
        let Attempt { jobs, job, .. } = self.attempt;
        // A job has a maximum size, so a longer text is stored in the object store first.
        if let Source::Text(text) = &body.source
            && serde_json::to_vec(&body).map_err(publish::Error::from)?.len() > MAX_JOB_BYTES
        {
            let name = text_object(job, project, document);
            body.source = Source::Object(files::store(&jobs.app, &name, text.clone().into()).await?);
        }
        let (of, import) = (job.project.token(), job.document.token());
        let id = format!("record:{of}:{import}:{}:{index}", job.accepted_at.timestamp_micros());
        let map = headers_of_part(self.attempt, &id, index);
        let payload: bytes::Bytes = serde_json::to_vec(&body).map_err(publish::Error::from)?.into();
        loop {
            let subject = body.subject(project, document);
            // If the queue is full, this waits here.
            match jobs.app.nats.publish_raw(subject, map.clone(), payload.clone()).await {
                Err(publish::Error::Full) => {}
                published => return Ok(published?),
            }
            if jobs.stopping.run_until_cancelled(tokio::time::sleep(FULL)).await.is_none() {
                return Err(Failure::Wait("the queue is full".to_owned()));
            }
        }
    }
}

/// Whether a file is a record's long text, which is plain text, whatever its file name or first words look like.
pub fn is_text_of_a_record(job: &Job, object: &ObjectRef) -> bool {
    job.body.parent.is_some() && object.name.starts_with(files::RECORD)
}
