//! Ensures that the many documents of one project do not delay the single document of another.
//!
//! A consumer delivers jobs in their order. So a job that must wait for others of its project is moved to a
//! lane for waiting jobs, which takes about as long as storing a message. A project's first waiting jobs go
//! to the lane [`JobKind::Batch`], further ones to [`JobKind::Bulk`]: a project with a few documents does not
//! wait behind one with thousands.

use futures::TryStreamExt as _;
use platform::{
    nats::{self, consume::Failure, publish},
    shares::{Share, Shares},
};
use schemas::{
    ProjectId, headers,
    subjects::{self, JobKind},
};

use super::Attempt;
use crate::app::App;

/// Maximum number of jobs of one project in [`JobKind::Batch`]. Further ones go to [`JobKind::Bulk`].
const BATCH: usize = 50;

/// Where a job is processed.
pub enum Place {
    /// Here. The share, if there is one, counts the slot as used by the job's project until the share is dropped.
    Here(Option<Share>),
    Lane(JobKind),
}

/// Shares the slots of one lane of this worker: a project may use all but one, which moves waiting jobs or works for other
/// projects.
pub fn slots_by_project(slots: usize) -> Shares {
    Shares::new(usize::MAX, slots.saturating_sub(1).max(1))
}

/// Returns how many jobs of the project are in the lane [`JobKind::Batch`], whichever worker moved them there.
async fn waiting(app: &App, project: &ProjectId) -> Result<usize, async_nats::Error> {
    let stream = app.nats.jetstream.get_stream_no_info(subjects::INGEST_STREAM).await?;
    let lane = subjects::jobs_of_project(JobKind::Batch, project);
    let subjects = stream.info_with_subjects(lane).await?;
    Ok(subjects.try_fold(0, async |sum, (_, count)| Ok(sum + count)).await?)
}

impl Attempt<'_> {
    /// Returns where the job is processed. All but those of [`JobKind::Document`] are already in their lane.
    pub async fn place(&self) -> Result<Place, Failure> {
        let Self { jobs, delivery, job, .. } = self;
        // A job that is delivered again is not moved: in the other lane it would count as a first attempt, and the events
        // that its earlier attempt did not publish would be forgotten.
        if jobs.kind != JobKind::Document || delivery.attempt > 1 {
            return Ok(Place::Here(None));
        }
        let waiting = waiting(&jobs.app, &job.project).await;
        let waiting = waiting.map_err(|error| Failure::Wait(format!("NATS: {error}")))?;
        // Jobs of the project that already wait go first.
        if waiting == 0
            && let Ok(turn) = jobs.turns.take(job.project.as_str(), 1)
        {
            return Ok(Place::Here(Some(turn)));
        }
        Ok(Place::Lane(if waiting < BATCH { JobKind::Batch } else { JobKind::Bulk }))
    }

    /// Publishes the job again, in another lane or at the end of its own; the caller then has the old message
    /// acknowledged. The job keeps its time of acceptance, so its order stays, and two copies count as one job.
    pub async fn move_to(&self, lane: JobKind, position: Option<u32>) -> Result<(), publish::Error> {
        let Self { jobs, delivery, job, .. } = self;
        let mut map = nats::travelling(delivery.headers.as_ref());
        let id = jobs.app.message_id(&format!("move:{}", delivery.sequence));
        map.insert(headers::MESSAGE_ID, id.as_str());
        map.insert(headers::ORDERED_AT, delivery.published.to_rfc3339().as_str());
        if let Some(position) = position {
            map.insert(headers::POSITION, position.to_string().as_str());
        }
        let subject = subjects::job(lane, &job.project, &job.document);
        jobs.app.nats.publish_raw(subject, map, delivery.payload.clone()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_leaves_a_slot_to_others() {
        let turns = slots_by_project(3);
        let [first, second] = [turns.take("a", 1), turns.take("a", 1)];
        assert!(first.is_ok() && second.is_ok() && turns.take("a", 1).is_err());
        assert!(turns.take("b", 1).is_ok());
        drop(first);
        assert!(turns.take("a", 1).is_ok());
        assert!(slots_by_project(1).take("a", 1).is_ok(), "one slot works, too");
    }
}
