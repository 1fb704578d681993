//! Documents as clients see them, and the look-ups behind those views.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::problem::Reason;
use crate::{DocumentId, Fields, ProjectId, Scope, fields, lenient};

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted; no worker has taken it yet.
    Queued,
    /// A worker is at it; `percent` says how far.
    Processing,
    /// Searchable.
    Indexed,
    /// It cannot be indexed; `reason` says why.
    Failed,
    /// A newer revision of the same document number answers in its place.
    Superseded,
}

impl State {
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Processing, Self::Indexed, Self::Failed, Self::Superseded];

    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Indexed => "indexed",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Indexed | Self::Failed | Self::Superseded)
    }
}

/// What a document is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One document with text of its own.
    #[default]
    Document,
    /// A file of records, each of which became a document of its own.
    Import,
}

/// What is known of one document, but for the reason of its state: that is told in both languages or in one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = fields::always_there)]
pub struct Facts {
    pub document_id: DocumentId,
    pub project_id: ProjectId,
    pub kind: Kind,
    pub state: State,
    /// Progress while processing, 100 when indexed.
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
    /// Characters of text found in it.
    pub text_length: u64,
    /// For an import: how many records it held, how many of them are indexed, how many failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Records>,
    /// The import or mail that this document came with.
    pub parent_id: Option<DocumentId>,
    /// The document that answers in place of a superseded one.
    pub superseded_by: Option<DocumentId>,
    pub accepted_at: DateTime<Utc>,
    pub indexed_at: Option<DateTime<Utc>>,
    /// Whatever else the client said about it.
    pub metadata: Map<String, Value>,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    #[serde(flatten)]
    pub facts: Facts,
    /// Why it failed, or what it waits for.
    pub reason: Option<Reason>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Records {
    pub total: u32,
    pub indexed: u32,
    pub failed: u32,
}

/// One page of documents: the head of the queue, then what is stored, newest first. An import stands for its records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentList {
    pub documents: Vec<Document>,
    /// Send it back as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// What narrows a list of documents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ListFilter {
    #[serde(deserialize_with = "lenient::optional")]
    pub project_id: Option<ProjectId>,
    #[serde(deserialize_with = "lenient::optional")]
    pub state: Option<State>,
    /// Texts compare without regard to case, a number without regard to how it is punctuated.
    #[serde(flatten, serialize_with = "fields::given", deserialize_with = "lenient::flat")]
    pub fields: Fields,
    /// Only what came with this import or mail.
    #[serde(deserialize_with = "lenient::optional")]
    pub parent_id: Option<DocumentId>,
    /// 1 to 200, 50 when absent.
    #[serde(deserialize_with = "lenient::integer")]
    #[schemars(with = "Option<u16>", range(min = 1, max = 200))]
    pub limit: Option<i64>,
    pub cursor: Option<String>,
}

/// Looks one document up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetDocument {
    pub scope: Scope,
    pub document_id: DocumentId,
}

/// Lists documents; `filter.project_id` is already narrowed into the scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListDocuments {
    pub scope: Scope,
    pub filter: ListFilter,
}

/// Finds the original file of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LocateFile {
    pub scope: Scope,
    pub document_id: DocumentId,
}

/// Where an original file is kept. Stays inside: clients get the bytes, not the place.
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
    /// `deleted`; or `accepted` (202) when it takes longer than a moment.
    pub status: String,
    pub document_id: DocumentId,
    pub project_id: ProjectId,
}
