//! Turns a record of an import into a job of its own.

use documents::{Job, import::Record as Noted};
use reader::{Record, RecordError};
use schemas::{
    DocumentId, Problem, ProjectId,
    ingest::{IngestDocument, Parent, Source},
    messages,
    problem::Reason,
};

/// Maximum length of a file name, in characters; a longer one is cut.
const MAX_FILENAME_CHARS: usize = 255;

/// A job, or the reason why the record cannot become one.
pub enum Prepared {
    Document { project: ProjectId, document: DocumentId, body: Box<IngestDocument> },
    Bad { project: ProjectId, name: String, reason: Reason },
}

impl Prepared {
    pub fn noted(&self) -> Noted {
        match self {
            Self::Document { project, document, .. } => {
                Noted { project: project.clone(), name: document.to_string(), failure: None }
            }
            Self::Bad { project, name, reason } => {
                Noted { project: project.clone(), name: name.clone(), failure: Some(reason.clone()) }
            }
        }
    }

    pub fn document(&self) -> Option<&DocumentId> {
        match self {
            Self::Document { document, .. } => Some(document),
            Self::Bad { .. } => None,
        }
    }
}

pub fn prepare(job: &Job, record: Result<Record, RecordError>) -> Prepared {
    let bad = |name: String, reason| Prepared::Bad { project: job.project.clone(), name, reason };
    let record = match record {
        Ok(record) => record,
        Err(error) => return bad(format!("#{}", error.index), error.reason),
    };
    let name = format!("#{}", record.index);
    let document = match record.document_id.parse::<DocumentId>() {
        Ok(document) => document,
        Err(error) => return bad(name, invalid(error.problem("DocumentId"))),
    };
    let project = match project_of(job, record.project.as_deref()) {
        Ok(project) => project,
        Err(reason) => return bad(document.to_string(), reason),
    };
    let mut metadata = record.metadata;
    metadata.project_id = None;
    if let Some(problem) = metadata.out_of_bounds() {
        return bad(document.to_string(), invalid(problem));
    }
    let text = record.full_text.filter(|text| !text.trim().is_empty()).unwrap_or(record.labelled);
    let body = IngestDocument {
        source: Source::Text(text),
        metadata,
        filename: record.filename.chars().take(MAX_FILENAME_CHARS).collect(),
        media_type: String::new(),
        parent: Some(Parent {
            project_id: job.project.clone(),
            document_id: job.document.clone(),
            index: u32::try_from(record.index).unwrap_or(u32::MAX),
            depth: 1,
            accepted_at: Some(job.accepted_at),
        }),
        record_scope: None,
    };
    Prepared::Document { project, document, body: Box::new(body) }
}

/// Returns the project of a record: the upload's project if its sender named one, else the project that the record
/// names, where the sender must be allowed to write.
fn project_of(job: &Job, named: Option<&str>) -> Result<ProjectId, Reason> {
    let (Some(scope), Some(named)) = (&job.body.record_scope, named) else { return Ok(job.project.clone()) };
    let project = named.parse::<ProjectId>().map_err(|error| invalid(error.problem("project_id")))?;
    if scope.allows(&project) || project == job.project {
        return Ok(project);
    }
    Err(messages::jobs::forbidden_project().reason("forbidden_project"))
}

fn invalid(problem: Problem) -> Reason {
    Reason { code: "invalid_record".to_owned(), message: problem.detail }
}
