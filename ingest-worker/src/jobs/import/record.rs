//! Turns a record of an import into a job of its own.

use documents::{Job, import::Record as Noted};
use reader::{Record, RecordError};
use schemas::{
    DocumentId, Problem, ProjectId,
    ingest::{IngestDocument, ObjectRef, Parent, Source},
    messages,
    problem::Reason,
};

use crate::jobs::files;

/// Maximum length of a file name, in characters; a longer one is cut.
const MAX_FILENAME_CHARS: usize = 255;

/// A record as the database notes it, and its document with its job, if it can become one.
pub struct Prepared {
    pub noted: Noted,
    pub document: Option<(DocumentId, Box<IngestDocument>)>,
}

/// `is_alone` says whether the file holds no other record.
pub fn prepare(job: &Job, record: Result<Record, RecordError>, is_alone: bool) -> Prepared {
    let index = record.as_ref().map_or_else(|error| error.index, |record| record.index);
    let place = i32::try_from(index).unwrap_or(i32::MAX);
    let made = record.map_err(|error| error.reason).and_then(|record| document_of(job, record, is_alone));
    match made {
        Ok((project, document, body)) => {
            let noted = Noted { project, name: document.to_string(), place, failure: None };
            Prepared { noted, document: Some((document, Box::new(body))) }
        }
        // A bad record must hide no good one, so it is not named by its document. No document's id begins with a space.
        Err(reason) => {
            let (project, name) = (job.project.clone(), format!(" #{index}"));
            Prepared { noted: Noted { project, name, place, failure: Some(reason) }, document: None }
        }
    }
}

/// Returns the project and id of a record's document, and the job that indexes it.
fn document_of(
    job: &Job,
    record: Record,
    is_alone: bool,
) -> Result<(ProjectId, DocumentId, IngestDocument), Reason> {
    let document = record.document_id.parse::<DocumentId>();
    let document = document.map_err(|error| invalid(error.problem("DocumentId")))?;
    let project = project_of(job, record.project.as_deref())?;
    // Its job would take over the row of the import, which would then end without its other records.
    if !is_alone && (&project, &document) == (&job.project, &job.document) {
        return Err(invalid(messages::fields::unexpected().about("DocumentId")));
    }
    let mut metadata = record.metadata;
    metadata.project_id = None;
    if let Some(problem) = metadata.out_of_bounds() {
        return Err(invalid(problem));
    }
    let text = record.full_text.filter(|text| !text.trim().is_empty()).unwrap_or(record.labelled);
    let name = text_object(job, &project, &document);
    let mut body = IngestDocument {
        // A text that is too long for a job goes to the object store, so it is no reason to refuse the record.
        source: Source::Object(ObjectRef { name, size: text.len() as u64, sha256: "0".repeat(64) }),
        metadata,
        filename: record.filename.chars().take(MAX_FILENAME_CHARS).collect(),
        parent: Some(Parent {
            project_id: job.project.clone(),
            document_id: job.document.clone(),
            index: u32::try_from(record.index).unwrap_or(u32::MAX),
            depth: 1,
            accepted_at: Some(job.accepted_at),
        }),
        ..IngestDocument::default()
    };
    // A job that the worker refuses would leave the record without a document.
    let payload = serde_json::to_vec(&body)
        .map_err(|error| messages::jobs::bad_message(&error.to_string()).reason(INVALID))?;
    Job::read(&body.subject(&project, &document), &payload, job.accepted_at)
        .map_err(|reason| Reason { code: INVALID.to_owned(), ..reason })?;
    body.source = Source::Text(text);
    Ok((project, document, body))
}

/// Returns the name of the object with a record's long text. Records of several projects may have the same id.
pub fn text_object(job: &Job, project: &ProjectId, document: &DocumentId) -> String {
    let record = document.of_part(project.as_str());
    format!("{}{record}-{}", files::RECORD, job.accepted_at.timestamp_micros())
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

/// The code of a record that cannot become a job.
const INVALID: &str = "invalid_record";

fn invalid(problem: Problem) -> Reason {
    problem.detail.reason(INVALID)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use schemas::{Metadata, ingest::MAX_JOB_BYTES};
    use serde_json::json;

    use super::*;

    fn import() -> Job {
        let (project, document) = ("p".parse().unwrap(), "import".parse().unwrap());
        Job::new(project, document, DateTime::UNIX_EPOCH, IngestDocument::default())
    }

    fn record(extra: serde_json::Value) -> Record {
        Record {
            index: 1,
            document_id: "1".to_owned(),
            project: None,
            metadata: Metadata {
                extra: extra.as_object().cloned().unwrap_or_default(),
                ..Metadata::default()
            },
            filename: "a.txt".to_owned(),
            full_text: Some("Losa ".repeat(MAX_JOB_BYTES)),
            labelled: String::new(),
        }
    }

    #[test]
    fn a_record_whose_job_would_be_refused_fails_with_a_reason() {
        let long = "\u{1}".repeat(1_000);
        let mut too_large = record(json!({ "Notes": "ñ".repeat(15_000) }));
        too_large.metadata.fields = schemas::Fields {
            title: long.clone(),
            category: long.clone(),
            doc_type: long.clone(),
            revision: long.clone(),
            status: long.clone(),
            author: long,
            ..schemas::Fields::default()
        };
        assert_eq!(too_large.metadata.out_of_bounds(), None);
        let refused = [
            record(json!({ "project": "Torre Norte" })),
            record(json!({ "date": "soon" })),
            record(json!({ "type": {} })),
            too_large,
        ];
        for record in refused {
            let noted = prepare(&import(), Ok(record), false).noted;
            let document: DocumentId = noted.name.parse().unwrap();
            assert_ne!(document.as_str(), noted.name, "no document is named so");
            assert_eq!((noted.place, noted.failure.unwrap().code.as_str()), (1, INVALID));
        }
        // A long text is no reason to refuse a record.
        assert_eq!(prepare(&import(), Ok(record(json!({ "Notes": "x" }))), false).noted.failure, None);
    }

    #[test]
    fn a_record_with_the_id_of_its_import_is_refused_unless_it_is_alone() {
        let own = |is_alone| {
            let own = Record { document_id: "import".to_owned(), ..record(json!({})) };
            prepare(&import(), Ok(own), is_alone).noted.failure.map(|reason| reason.code)
        };
        assert_eq!([own(false).as_deref(), own(true).as_deref()], [Some(INVALID), None]);
    }

    #[test]
    fn records_with_one_id_in_two_projects_have_texts_of_their_own() {
        let document = "1".parse().unwrap();
        let name = |project: &str| text_object(&import(), &project.parse().unwrap(), &document);
        assert_ne!(name("p"), name("q"));
    }
}
