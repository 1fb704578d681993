//! Jobs for the ingest workers. The api publishes them, and so may anybody with the right to the subject.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    DocumentId, Metadata, ProjectId, Scope, lenient,
    subjects::{self, JobKind},
};

/// Largest job message in bytes: jobs refer to documents, they do not carry them. Longer text goes to the object store.
pub const MAX_JOB_BYTES: usize = 64 * 1024;

/// "Index this document": on `acorag.v1.ingest.document.<project>.<document>` (for an upload on `….upload.…`, for one
/// record of an import on `….record.…`). The subject says which project and document; the message says what it is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IngestDocument {
    #[serde(flatten)]
    pub source: Source,
    #[serde(default, deserialize_with = "lenient::form")]
    pub metadata: Metadata,
    /// The file's name, as a client would want it back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filename: String,
    /// Media type, when known; the content decides when they disagree.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The import or mail this came with. The service's own: refused on `….document.…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// For an import: the projects its records may name themselves. Absent: they all belong to the import's own. The
    /// service's own: refused on `….document.…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_scope: Option<Scope>,
}

impl IngestDocument {
    /// Where the service itself publishes it.
    pub fn subject(&self, project: &ProjectId, document: &DocumentId) -> String {
        match self.parent {
            Some(_) => subjects::job(JobKind::Record, project, document),
            None => subjects::upload(project, document),
        }
    }

    /// Whether indexing this job would give what indexing the other gave: the same bytes or text, described the same.
    pub fn same_content(&self, other: &Self) -> bool {
        let same_source = match (&self.source, &other.source) {
            (Source::Text(ours), Source::Text(theirs)) => ours == theirs,
            (Source::Object(ours), Source::Object(theirs)) => {
                !ours.sha256.is_empty() && ours.sha256 == theirs.sha256
            }
            _ => false,
        };
        same_source && self.metadata == other.metadata && self.filename == other.filename
    }
}

/// What a document came with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parent {
    pub project_id: ProjectId,
    pub document_id: DocumentId,
    /// Its place in there, from 0.
    #[serde(default)]
    pub index: u32,
    /// How many it came through: 1 in a mail, 2 in a mail within a mail.
    #[serde(default)]
    pub depth: u8,
    /// When the parent's own job was accepted: what is deleted after that takes this with it, whenever this is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<DateTime<Utc>>,
}

/// Where a document's content is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Plain text, in the message itself.
    Text(String),
    /// A file in the object store `FILES`.
    Object(ObjectRef),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRef {
    pub name: String,
    /// In bytes.
    #[serde(default)]
    pub size: u64,
    /// In hexadecimal; when given, the content is checked against it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
}

/// "Forget this document": on `acorag.v1.ingest.delete.<project>.<document>`. Undoes every job of the document that
/// was published before it, and none after it. Nothing but `{}` deletes: no empty message, and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteDocument {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_needs_to_send_very_little() {
        let job: IngestDocument = serde_json::from_str(r#"{"text": "Acta de obra"}"#).unwrap();
        assert_eq!(job.source, Source::Text("Acta de obra".into()));
        let job: IngestDocument =
            serde_json::from_str(r#"{"object": {"name": "x"}, "metadata": {"title": "Acta"}}"#).unwrap();
        assert_eq!(job.metadata.fields.title, "Acta");
        assert!(matches!(job.source, Source::Object(object) if object.name == "x" && object.size == 0));
        assert!(serde_json::from_str::<IngestDocument>(r#"{"metadata": {}}"#).is_err());
        let job: IngestDocument = serde_json::from_str(
            r#"{"text": "x", "metadata": {"type": "Acta", "doc_type": "", "project": 7}}"#,
        )
        .unwrap();
        assert_eq!((job.metadata.fields.doc_type.as_str(), job.metadata.extra.len()), ("Acta", 0));
        assert_eq!(job.metadata.project_id.unwrap().as_str(), "7");
        let error = serde_json::from_str::<IngestDocument>(r#"{"text": "x", "metadata": {"date": "x"}}"#);
        assert!(error.unwrap_err().to_string().starts_with("date_modified: must be a date"));
    }
}
