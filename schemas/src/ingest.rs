//! Jobs for the ingest workers. The api publishes them, and so may anybody with the right to the subject.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    DocumentId, Metadata, ProjectId, Scope, lenient,
    subjects::{self, JobKind},
};

/// Largest job message in bytes: jobs refer to documents, they do not carry them. Longer text is sent as a file.
pub const MAX_JOB_BYTES: usize = 64 * 1024;
/// Largest part of a file that an event producer sends, in bytes.
pub const MAX_PART_BYTES: usize = 512 * 1024;

/// "Index this document": on `acorag.v1.ingest.document.<project>.<document>` (for an upload on `….upload.…`, for one
/// record of an import on `….record.…`). The subject says which project and document; the message says what it is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Returns the subject on which the service itself publishes this job.
    pub fn subject(&self, project: &ProjectId, document: &DocumentId) -> String {
        match self.parent {
            Some(_) => subjects::job(JobKind::Record, project, document),
            None => subjects::upload(project, document),
        }
    }

    /// Whether both jobs give the same indexed document: the same text or file, with the same metadata and
    /// file name.
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
    /// A file that its producer has published before, in parts, on `acorag.v1.file.<project>.<id>`.
    File(SentFile),
    /// A file in the object store `FILES`, where only the service itself writes: refused on `….document.…`.
    Object(ObjectRef),
}

/// No content, as of a message that replaces one that cannot be used, so that the failure of its document can be stored.
impl Default for Source {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// A file that an event producer has sent in parts. A worker checks the file and takes it into the object store under a
/// name of the service's own, so a producer can name no other file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SentFile {
    /// Chosen by the producer, new for each file and hard to guess, such as a random UUID: 1 to 64 letters, digits, `-` or
    /// `_`.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    pub id: String,
    /// Length of the whole file in bytes.
    pub size: u64,
    /// SHA-256 of the whole file in hexadecimal: 64 digits.
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"))]
    pub sha256: String,
}

impl SentFile {
    /// How the names of the objects begin in which workers store these files.
    pub const OBJECTS: &str = "sent-";

    /// Whether id and hash have the required form, which is safe in a subject and in an object's name.
    pub fn is_valid(&self) -> bool {
        let in_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=64).contains(&self.id.len())
            && self.id.bytes().all(in_id)
            && self.sha256.len() == 64
            && self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Returns the object in which a worker stores this file. The name follows from the document and the
    /// content, so a job that is delivered twice finds the object that the first delivery stored.
    pub fn object(&self, project: &ProjectId, document: &DocumentId) -> ObjectRef {
        const NAMESPACE: uuid::Uuid = uuid::uuid!("4d7c6a80-93f2-4b1e-a6a5-2be1f00ac0a6");
        let sha256 = self.sha256.to_ascii_lowercase();
        let named = [project.as_str(), document.as_str(), &self.id, &sha256].join("\u{1f}");
        let name = uuid::Uuid::new_v5(&NAMESPACE, named.as_bytes());
        ObjectRef { name: format!("{}{name}", Self::OBJECTS), size: self.size, sha256 }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRef {
    pub name: String,
    /// In bytes.
    #[serde(default)]
    pub size: u64,
    /// In hexadecimal; the content is checked against it.
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
        let job: IngestDocument = serde_json::from_str(
            r#"{"file": {"id": "x", "size": 9, "sha256": ""}, "metadata": {"title": "Acta"}}"#,
        )
        .unwrap();
        assert_eq!(job.metadata.fields.title, "Acta");
        assert!(matches!(job.source, Source::File(file) if file.id == "x" && !file.is_valid()));
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

    #[test]
    fn a_sent_file_has_a_plain_id_and_a_whole_hash() {
        let file = |id: &str, sha256: &str| SentFile { id: id.into(), size: 1, sha256: sha256.into() };
        let hash = "aB".repeat(32);
        assert!(file("6f9d-4_x", &hash).is_valid());
        for id in ["", ">", "*", "a.b", "../x", "a b", "ñ", &"x".repeat(65)] {
            assert!(!file(id, &hash).is_valid(), "{id}");
        }
        for hash in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            assert!(!file("x", hash).is_valid(), "{hash}");
        }
        let (project, document) = ("p".parse().unwrap(), "d".parse().unwrap());
        let object = file("x", &hash).object(&project, &document);
        assert_eq!(object.sha256, hash.to_lowercase());
        assert_ne!(object.name, file("x", &hash).object(&"q".parse().unwrap(), &document).name);
        assert_ne!(object.name, file("x", &hash).object(&project, &"e".parse().unwrap()).name);
    }
}
