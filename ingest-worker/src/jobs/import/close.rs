//! Closes an import or reports its progress.

use documents::{Job, import::Standing};
use platform::{crash, nats::consume::Failure};
use schemas::{
    DocumentId, ProjectId,
    event::{EventKind, Facts, Stage},
};

use crate::{
    jobs::{Attempt, Outcome},
    progress::Progress,
};

/// The import that a job may have finished.
pub struct Of<'a> {
    project: &'a ProjectId,
    import: &'a DocumentId,
    /// The places of the records that have ended; 0 stands for the import's own job.
    pub ended: Vec<u32>,
}

/// Returns the import that a job is itself, or that its record belongs to.
pub fn of<'a>(job: &'a Job, outcome: &Outcome) -> Option<Of<'a>> {
    match (outcome, &job.body.parent) {
        (Outcome::Split, _) => Some(Of { project: &job.project, import: &job.document, ended: vec![0] }),
        (_, Some(parent)) => {
            Some(Of { project: &parent.project_id, import: &parent.document_id, ended: vec![parent.index] })
        }
        (_, None) => None,
    }
}

/// Closes an import if all its records are done. The last record may be one that failed.
pub async fn close(attempt: &Attempt<'_>, of: Of<'_>) -> Result<(), Failure> {
    let Attempt { jobs, delivery, .. } = attempt;
    let Of { project, import, ended } = of;
    let progress = Progress::new(&jobs.app, delivery, project, import);
    let standing = documents::import::close(&jobs.app.pool, project, import, &ended, delivery.attempt > 1);
    let (event, reason) = match standing.await? {
        Standing::Closed | Standing::Open { percent: None } => return Ok(()),
        Standing::Open { percent: Some(percent) } => {
            progress.at(Stage::Records, percent).await;
            return Ok(());
        }
        Standing::Finished { title, chunks, text_length } => {
            let (chunks, text_length) = (Some(chunks), Some(text_length));
            (Facts { title, chunks, text_length, ..progress.event(EventKind::Indexed) }, None)
        }
        Standing::Failed(reason) => (progress.event(EventKind::Failed), Some(reason)),
    };
    crash::point("import-closed", project.as_str());
    progress.publish(event, reason).await.map_err(Failure::from)
}
