//! Answers to uploads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DocumentId, ProjectId};

/// 202: the document is accepted and stored safely; it will be searchable soon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadAccepted {
    /// Always `accepted`.
    pub status: String,
    pub message: String,
    pub data: AcceptedData,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcceptedData {
    pub document_id: DocumentId,
    pub filename: String,
    pub project_id: ProjectId,
    /// The address for asking about the document's progress.
    pub status_url: String,
}

/// 200 for `?wait=SECONDS`: the document is searchable now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadIndexed {
    /// Always `success`.
    pub status: String,
    pub message: String,
    pub data: IndexedData,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IndexedData {
    pub document_id: DocumentId,
    pub filename: String,
    pub project_id: ProjectId,
    pub title: String,
    pub chunks_created: u32,
    /// Number of characters of the text.
    pub text_length: u64,
}
