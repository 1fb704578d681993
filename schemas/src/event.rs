//! Lifecycle events of documents, for everybody who follows them.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    DocumentId, ProjectId,
    document::{Document, State},
    problem::Reason,
    subjects,
};

names! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum EventKind {
        Queued = "queued",
        Processing = "processing",
        Indexed = "indexed",
        Failed = "failed",
        Superseded = "superseded",
        Deleted = "deleted",
    }
}

impl EventKind {
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Processing)
    }
}

/// What a worker is doing with a document in state `processing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Reading,
    Embedding,
    Storing,
    /// The records of an import are being processed.
    Records,
    /// A required service is unavailable; the job is retried until it is available again.
    Waiting,
}

/// Everything known about an event except its reason, which is sent in one language or in both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    pub event: EventKind,
    pub document_id: DocumentId,
    pub project_id: ProjectId,
    pub at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    pub percent: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<DocumentId>,
}

/// One event of one document. Its subject is `acorag.v1.event.<project>.<document>.<event>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentEvent {
    #[serde(flatten)]
    pub facts: Facts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

impl DocumentEvent {
    pub fn new(event: EventKind, project_id: ProjectId, document_id: DocumentId, at: DateTime<Utc>) -> Self {
        let facts = Facts {
            event,
            document_id,
            project_id,
            at,
            request_id: String::new(),
            percent: if event == EventKind::Indexed { 100 } else { 0 },
            stage: None,
            title: String::new(),
            revision: String::new(),
            chunks: None,
            text_length: None,
            superseded_by: None,
        };
        Self { facts, reason: None }
    }

    /// Returns the current state of a document as the event that led to it.
    pub fn of_state(document: Document, at: DateTime<Utc>) -> Self {
        let Document { facts: document, reason } = document;
        let kind = match document.state {
            State::Queued => EventKind::Queued,
            State::Processing => EventKind::Processing,
            State::Indexed => EventKind::Indexed,
            State::Failed => EventKind::Failed,
            State::Superseded => EventKind::Superseded,
        };
        let indexed = document.state == State::Indexed;
        let event = Self::new(kind, document.project_id, document.document_id, at);
        let facts = Facts {
            percent: document.percent,
            title: document.fields.title,
            revision: document.fields.revision,
            chunks: indexed.then_some(document.chunks),
            text_length: indexed.then_some(document.text_length),
            superseded_by: document.superseded_by,
            ..event.facts
        };
        Self { facts, reason }
    }

    pub fn subject(&self) -> String {
        let Facts { project_id, document_id, event, .. } = &self.facts;
        subjects::event(project_id, document_id, *event)
    }
}
