//! Documents as clients see them, and the queries for them.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::problem::Reason;
use crate::{DocumentId, Fields, ProjectId, Scope, fields, lenient};

names! {
    /// The state of a document.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum State {
        /// The document is accepted; no worker has begun to process it.
        Queued = "queued",
        /// A worker processes the document; `percent` is the progress.
        Processing = "processing",
        /// The document is searchable.
        Indexed = "indexed",
        /// The document cannot be indexed; `reason` says why.
        Failed = "failed",
        /// A newer revision with the same document number replaces this one in searches.
        Superseded = "superseded",
    }
}

impl State {
    /// Whether the state is final: it changes only if somebody acts.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Indexed | Self::Failed | Self::Superseded)
    }
}

/// The kind of a document: an ordinary document or a bulk import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A document with its own text.
    #[default]
    Document,
    /// A file of records; each record became a document.
    Import,
}

/// Everything known about a document except the reason of its state, which is sent in one language or in both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = fields::always_there)]
pub struct Facts {
    pub document_id: DocumentId,
    pub project_id: ProjectId,
    pub kind: Kind,
    pub state: State,
    /// Progress in percent while processing; 100 when indexed.
    pub percent: u8,
    #[serde(flatten)]
    pub fields: Fields,
    pub filename: String,
    pub file_type: String,
    pub date_modified: Option<DateTime<Utc>>,
    /// Size of the original file in bytes.
    pub size: u64,
    /// SHA-256 of the original file, in hexadecimal; empty when there is no file.
    pub sha256: String,
    pub pages: u32,
    pub chunks: u32,
    /// Number of characters of text in the document.
    pub text_length: u64,
    /// For an import: the number of its records, in total, indexed and failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Records>,
    /// The import or mail that contained this document.
    pub parent_id: Option<DocumentId>,
    /// The document that replaced this one in searches.
    pub superseded_by: Option<DocumentId>,
    pub accepted_at: DateTime<Utc>,
    pub indexed_at: Option<DateTime<Utc>>,
    /// All other metadata that the client sent.
    pub metadata: Map<String, Value>,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    #[serde(flatten)]
    pub facts: Facts,
    /// Why the document failed, or what it waits for.
    pub reason: Option<Reason>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Records {
    pub total: u32,
    pub indexed: u32,
    pub failed: u32,
}

/// One page: the head of the queue, then stored documents, newest first. Queued records are not listed, only imports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
// One name for two lists: the AsyncAPI document has that of documents, the OpenAPI document that of their views. In one
// document that had both, the second would be described as the first.
#[schemars(rename = "DocumentList")]
pub struct DocumentList<D = Document> {
    pub documents: Vec<D>,
    /// The client sends it as `cursor` to get the next page; null on the last page.
    pub next_cursor: Option<String>,
}

/// Conditions for a list of documents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ListFilter {
    #[serde(deserialize_with = "lenient::optional")]
    pub project_id: Option<ProjectId>,
    #[serde(deserialize_with = "lenient::optional")]
    pub state: Option<State>,
    /// Texts are compared without regard to case, document numbers also without regard to punctuation.
    #[serde(flatten, serialize_with = "fields::given", deserialize_with = "lenient::flat")]
    pub fields: Fields,
    /// Only documents that this import or mail contained.
    #[serde(deserialize_with = "lenient::optional")]
    pub parent_id: Option<DocumentId>,
    /// Maximum number of documents of a page: 1 to 200, 50 when absent.
    #[serde(deserialize_with = "lenient::integer")]
    #[schemars(with = "Option<u16>", range(min = 1, max = 200))]
    pub limit: Option<i64>,
    pub cursor: Option<String>,
}

/// Asks for one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetDocument {
    pub scope: Scope,
    pub document_id: DocumentId,
}

/// Asks for a list of documents; the scope is already reduced to `filter.project_id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListDocuments {
    pub scope: Scope,
    pub filter: ListFilter,
}

/// Asks where the original file of a document is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LocateFile {
    pub scope: Scope,
    pub document_id: DocumentId,
}

/// Where an original file is stored. It is internal: clients get the content, not the location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileLocation {
    pub project_id: ProjectId,
    pub object: String,
    pub filename: String,
    pub media_type: String,
    pub size: u64,
    pub sha256: String,
}

/// `GET /document/{id}/exists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exists {
    pub exists: bool,
}

/// `DELETE /documents/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deleted {
    /// `deleted`, or `accepted` (202) if the deletion is not finished yet.
    pub status: String,
    pub document_id: DocumentId,
    pub project_id: ProjectId,
}
