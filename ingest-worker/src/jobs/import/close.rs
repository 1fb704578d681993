//! Closes an import or reports its progress.

use documents::{Job, import::Standing};
use platform::{
    crash,
    nats::consume::{Delivery, Failure},
};
use schemas::{
    DocumentId, ProjectId,
    event::{EventKind, Facts, Stage},
};

use crate::{app::App, jobs::Outcome, progress::Progress};

/// The progress of an import is counted once per this many records, because counting reads all its records.
const EVERY: u32 = 50;

/// The import that a job may have finished.
pub struct Of<'a> {
    project: &'a ProjectId,
    import: &'a DocumentId,
    /// Whether to count the progress of the import now.
    pub report: bool,
}

/// Returns the import that a job is itself, or that its record belongs to.
pub fn of<'a>(job: &'a Job, outcome: &Outcome) -> Option<Of<'a>> {
    match (outcome, &job.body.parent) {
        (Outcome::Split, _) => Some(Of { project: &job.project, import: &job.document, report: true }),
        (_, Some(parent)) => Some(Of {
            project: &parent.project_id,
            import: &parent.document_id,
            report: parent.index % EVERY == 0,
        }),
        (_, None) => None,
    }
}

/// Closes an import if all its records are done. The last record may be one that failed.
pub async fn close(app: &App, delivery: &Delivery, of: Of<'_>) -> Result<(), Failure> {
    let Of { project, import, report } = of;
    let progress = Progress::new(app.nats.clone(), delivery.context.clone(), project.clone(), import.clone());
    let (event, reason) =
        match documents::import::close(&app.pool, project, import, report, delivery.attempt > 1).await? {
            Standing::Closed => return Ok(()),
            Standing::Open { percent } => {
                if report {
                    progress.at(Stage::Records, percent).await;
                }
                return Ok(());
            }
            Standing::Finished { title, chunks, text_length } => (
                Facts {
                    title,
                    chunks: Some(chunks),
                    text_length: Some(text_length),
                    ..progress.event(EventKind::Indexed)
                },
                None,
            ),
            Standing::Failed(reason) => (progress.event(EventKind::Failed), Some(reason)),
        };
    crash::point("import-closed", project.as_str());
    progress.publish(event, reason).await.map_err(Failure::from)
}
