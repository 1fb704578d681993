//! Jobs: each is about one document, one record or one deletion. The processing returns an outcome; what follows from
//! an outcome is done in one place, [`Attempt::settle`].

mod attachments;
mod delete;
mod document;
mod files;
mod import;
mod queue;
mod records;
mod turns;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use documents::{Committed, Job, Revived, fail::fail};
use platform::{
    crash,
    nats::{
        consume::{Delivery, Failure, Handler},
        publish,
    },
    shares::Shares,
};
use queue::again;
use schemas::{
    Fields,
    dead_letter::Cause,
    event::{EventKind, Facts, Stage},
    headers,
    ingest::{IngestDocument, Source},
    messages,
    problem::Reason,
    subjects::{self, JobKind},
};
use tokio_util::sync::CancellationToken;
use turns::Place;
pub use turns::slots_by_project;

use crate::{app::App, progress::Progress};

/// The outcome of a document's job.
enum Outcome {
    /// A later job of the document, its deletion, or another attempt of this job has made this attempt void.
    Void,
    /// The document is indexed, or superseded.
    Indexed {
        committed: Committed,
        /// Whether this attempt has committed it. Otherwise, only the acknowledgement was lost, or the content is the same.
        now: bool,
    },
    /// All records of the import are queued as jobs of their own, or the import is closed already.
    Split,
    /// The job was moved to another place in the queue.
    Moved,
    Failed {
        reason: Reason,
        revived: Vec<Revived>,
    },
}

/// A project's keyword index is tidied after about this many records: a merge is due after far more passages.
const TIDY_EVERY: u64 = 8;

fn is_time_to_tidy(record: &Delivery) -> bool {
    record.sequence.is_multiple_of(TIDY_EVERY)
}

pub struct Jobs {
    pub app: App,
    pub kind: JobKind,
    /// The slots that each project uses.
    pub turns: Shares,
    pub stopping: CancellationToken,
}

/// How a delivery ended without an error.
enum Ending {
    Done,
    Moved,
}

impl Handler for Jobs {
    async fn handle(&self, delivery: Delivery) -> Result<(), Failure> {
        let result = match self.kind {
            JobKind::Delete => delete::delete(&self.app, &delivery).await.map(|()| Ending::Done),
            _ => match read(&delivery) {
                Ok(job) => {
                    let attempt = Attempt::new(self, &delivery, job);
                    let result = attempt.process().await;
                    attempt.ended(&result).await;
                    result
                }
                Err(reason) => Err(Failure::Dead(reason)),
            },
        };
        self.count(&result);
        let is_done = matches!(result, Ok(Ending::Done));
        if is_done && (self.kind != JobKind::Record || is_time_to_tidy(&delivery)) {
            self.tidy(&delivery).await;
        }
        result.map(drop)
    }

    fn together(&self, first: &Delivery) -> usize {
        if self.kind == JobKind::Record { records::together(first) } else { 1 }
    }

    async fn handle_together(&self, deliveries: Vec<Delivery>) -> Vec<Option<Result<(), Failure>>> {
        records::index(self, &deliveries).await
    }

    async fn give_up(&self, delivery: &Delivery, reason: &Reason) -> anyhow::Result<DateTime<Utc>> {
        self.mark_failed(delivery, reason).await?;
        let cause = Cause::of(&reason.code).name();
        self.app.metrics.given_up.with_label_values(&[self.kind.name(), cause]).inc();
        Ok(first_accepted(delivery))
    }
}

impl Jobs {
    fn count(&self, result: &Result<Ending, Failure>) {
        let label = match result {
            Ok(Ending::Done) => "done",
            Ok(Ending::Moved) => "moved",
            Err(Failure::Wait(_)) => "wait",
            Err(Failure::Retry(_)) => "retry",
            Err(Failure::Dead(_)) => "dead",
        };
        self.app.metrics.jobs.with_label_values(&[self.kind.name(), label]).inc();
    }

    /// Keeps the project's keyword index small. An error is only logged: a later job does the work.
    async fn tidy(&self, delivery: &Delivery) {
        let Ok((project, _)) = subjects::parse_job(&delivery.subject) else { return };
        let tidying = documents::index::tidy(&self.app.pool, &project);
        if let Some(Err(error)) = self.stopping.run_until_cancelled(tidying).await {
            tracing::warn!(%error, "the keyword index was not tidied");
        }
    }

    async fn mark_failed(&self, delivery: &Delivery, reason: &Reason) -> anyhow::Result<()> {
        if self.kind == JobKind::Delete {
            return Ok(());
        }
        let (job, is_readable) = match read(delivery) {
            Ok(job) => (job, true),
            // Of an unreadable message, only the document's id and the reason are stored. It must not replace a
            // known document: it may be a reply of NATS itself that somebody directed to this subject.
            Err(_) => match Job::unreadable(&delivery.subject, &delivery.payload, delivery.published) {
                Some(job) => (job, false),
                // A subject that names no document leaves none to mark; the dead letter keeps the message.
                None => return Ok(()),
            },
        };
        let attempt = Attempt::new(self, delivery, job);
        let failed = attempt.write_down(reason, is_readable);
        let failed = self.app.generations.changing(&attempt.job, failed).await?;
        if failed.is_some() && is_readable {
            // As with the text: what only an earlier version had must not stay searchable as if it were current.
            attachments::delete_others(&attempt, &[]).await?;
        }
        let outcome =
            failed.map_or(Outcome::Void, |revived| Outcome::Failed { reason: reason.clone(), revived });
        attempt.settle(outcome).await.context("settling a failed job")
    }
}

/// An attempt to process the job of a document.
struct Attempt<'a> {
    jobs: &'a Jobs,
    delivery: &'a Delivery,
    job: Job,
    /// The events of the document.
    progress: Progress,
}

impl<'a> Attempt<'a> {
    fn new(jobs: &'a Jobs, delivery: &'a Delivery, job: Job) -> Self {
        let progress = Progress::new(&jobs.app, delivery, &job.project, &job.document);
        Self { jobs, delivery, job, progress }
    }

    async fn process(&self) -> Result<Ending, Failure> {
        let (place, ()) = tokio::try_join!(self.place(), self.announce())?;
        let _turn = match place {
            Place::Here(turn) => turn,
            Place::Lane(lane) => match self.move_to(lane, None).await {
                Ok(()) => return Ok(Ending::Moved),
                // The queue is full. Only processing jobs makes room, so this job is processed here.
                Err(publish::Error::Full) => None,
                Err(error) => return Err(error.into()),
            },
        };
        match document::index(self).await? {
            Outcome::Moved => {
                // The worker is alive, so this start must not count as one that killed a worker.
                documents::start::ended(&self.jobs.app.pool, &self.job, None).await?;
                Ok(Ending::Moved)
            }
            outcome => self.settle(outcome).await.map(|()| Ending::Done),
        }
    }

    /// Publishes the event `queued` of a producer's job, so that it has the events of an upload, whose event the api publishes.
    /// Nobody sent the service's other jobs: records, attachments, and what is queued again.
    async fn announce(&self) -> Result<(), Failure> {
        let Self { delivery, job, progress, .. } = self;
        if subjects::is_the_services_own(&delivery.subject) || delivery.attempt > 1 {
            return Ok(());
        }
        let Fields { title, revision, .. } = job.body.metadata.fields.clone();
        let event = Facts { at: delivery.published, title, revision, ..progress.event(EventKind::Queued) };
        Ok(progress.publish(event, None).await?)
    }

    /// Does what follows from a job once the database has its outcome. If the worker dies in here, the job is delivered
    /// again, and every step may run twice.
    async fn settle(&self, outcome: Outcome) -> Result<(), Failure> {
        self.publish(&outcome).await?;
        match import::of(&self.job, &outcome) {
            Some(import) => import::close(self, import).await,
            None => Ok(()),
        }
    }

    /// Publishes events, queues revived revisions and removes the unused file.
    async fn publish(&self, outcome: &Outcome) -> Result<(), Failure> {
        let Self { jobs, delivery, job, progress } = self;
        let app = &jobs.app;
        let revision = job.body.metadata.fields.revision.clone();
        match outcome {
            Outcome::Void => {
                tracing::info!("a later job, a deletion or another attempt has made this one void");
                if delivery.attempt > 1 {
                    // An earlier attempt may have begun a change, which only this job ends.
                    app.generations.changed(job).await;
                }
            }
            // An earlier attempt may have begun a change, too, and a record may have closed the import since.
            Outcome::Split if delivery.attempt > 1 => app.generations.changed(job).await,
            Outcome::Split | Outcome::Moved => {}
            Outcome::Indexed { committed, now } => {
                let chunks = committed.chunks;
                if *now {
                    crash::point("before-event", job.project.as_str());
                    app.metrics.chunks.with_label_values::<&str>(&[]).inc_by(chunks.into());
                } else {
                    // The worker that committed the document may have died before it renewed the generation.
                    app.generations.changed(job).await;
                }
                let superseded_by = committed.superseded_by.clone();
                // An earlier attempt may also have ended before it published these events.
                if *now || delivery.attempt > 1 {
                    // What an earlier attempt replaced was superseded by this document, whatever has superseded this one since.
                    let newest = superseded_by.as_ref().filter(|_| *now).unwrap_or(&job.document);
                    progress.superseded(&committed.superseded, newest).await?;
                }
                let kind = if superseded_by.is_some() { EventKind::Superseded } else { EventKind::Indexed };
                let event = Facts {
                    title: committed.title.clone(),
                    revision,
                    chunks: Some(chunks),
                    text_length: Some(committed.text_length),
                    superseded_by,
                    ..progress.event(kind)
                };
                progress.publish(event, None).await?;
                again(app, delivery, &job.project, committed.revived.clone()).await?;
                if let Some(object) = &committed.unused_object {
                    files::remove(app, object).await;
                }
                tracing::info!(document_id = %job.document, project_id = %job.project, chunks, "indexed");
            }
            Outcome::Failed { reason, revived } => {
                crash::point("failure-noted", job.project.as_str());
                again(app, delivery, &job.project, revived.clone()).await?;
                let event =
                    Facts { title: job.fields().title, revision, ..progress.event(EventKind::Failed) };
                progress.publish(event, Some(reason.clone())).await?;
            }
        }
        Ok(())
    }

    /// Stores the failure. If the database refuses the job's data, the failure is stored with few of them ([`bare`]).
    async fn write_down(&self, reason: &Reason, is_readable: bool) -> sqlx::Result<Option<Vec<Revived>>> {
        let (pool, job) = (&self.jobs.app.pool, &self.job);
        match fail(pool, job, reason, is_readable).await {
            Err(error) if !platform::postgres::is_transient(&error) => {
                tracing::error!(%error, "a failed document could not be written down whole");
                let job = Job { body: bare(&job.body), ..job.clone() };
                fail(pool, &job, reason, is_readable).await
            }
            written => written,
        }
    }

    /// Notes that a failed attempt did not kill the worker, so that it does not count as a worker's death.
    async fn ended(&self, result: &Result<Ending, Failure>) {
        let waits = match result {
            Err(Failure::Wait(_)) => Some(messages::jobs::waiting().reason("waiting")),
            Err(Failure::Retry(_)) => None,
            _ => return,
        };
        if waits.is_some() {
            self.progress.processing(Stage::Waiting, 0, waits.clone()).await;
        }
        if let Err(error) = documents::start::ended(&self.jobs.app.pool, &self.job, waits).await {
            tracing::debug!(%error, "noting the end of an attempt");
        }
    }
}

/// Returns what is stored of a job whose data the database refuses: what the document came with, and its file. A file that no
/// document named would be swept, and the job could not be queued again.
fn bare(body: &IngestDocument) -> IngestDocument {
    let mut bare = IngestDocument { parent: body.parent.clone(), ..IngestDocument::default() };
    if let Source::Object(_) = &body.source {
        bare.source = body.source.clone();
    }
    bare
}

fn read(delivery: &Delivery) -> Result<Job, Reason> {
    let job = Job::read(&delivery.subject, &delivery.payload, delivery.published)?;
    Ok(job.first_accepted(first_accepted(delivery)))
}

/// Returns when a job was first accepted. Queued again, it must not undo what was accepted after it.
fn first_accepted(delivery: &Delivery) -> DateTime<Utc> {
    let first = platform::nats::text(delivery.headers.as_ref(), headers::ACCEPTED);
    subjects::first_accepted_at(first.as_deref(), delivery.published)
}

/// The end of an attempt because this worker stops: another worker gets the job at once.
fn stops() -> Failure {
    Failure::Wait("this worker stops".to_owned())
}

#[cfg(test)]
mod tests {
    use schemas::ingest::ObjectRef;

    use super::*;

    #[test]
    fn of_a_job_that_the_database_refuses_the_file_is_kept() {
        let file = ObjectRef { name: "o".to_owned(), size: 1, sha256: "00".to_owned() };
        let mut body = IngestDocument { filename: "a.pdf".to_owned(), ..IngestDocument::default() };
        body.source = Source::Object(file.clone());
        let kept = IngestDocument { source: Source::Object(file), ..IngestDocument::default() };
        assert_eq!(bare(&body), kept);
        body.source = Source::Text("Losa".to_owned());
        assert_eq!(bare(&body), IngestDocument::default());
    }
}
