//! Documents and events as REST clients read them: the reason is a sentence in the caller's language.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    DocumentId, ProjectId,
    document::{Document, DocumentList, Kind, Reason, Records, State},
    event::{DocumentEvent, EventKind, Stage},
    problem::UiLanguage,
};

/// One document and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Document")]
pub struct DocumentView {
    pub document_id: DocumentId,
    pub project_id: ProjectId,
    pub kind: Kind,
    pub state: State,
    /// Progress while processing, 100 when indexed.
    pub percent: u8,
    /// Why it failed, or what it waits for: a sentence in the caller's language, null when there is nothing to say.
    pub reason: Option<String>,
    /// The same for programs.
    pub reason_code: Option<String>,
    pub title: String,
    pub number: String,
    pub category: String,
    pub doc_type: String,
    pub revision: String,
    pub status: String,
    pub author: String,
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

impl DocumentView {
    pub fn new(document: Document, language: UiLanguage) -> Self {
        let (reason, reason_code) = sentence(document.reason, language);
        Self {
            document_id: document.document_id,
            project_id: document.project_id,
            kind: document.kind,
            state: document.state,
            percent: document.percent,
            reason,
            reason_code,
            title: document.title,
            number: document.number,
            category: document.category,
            doc_type: document.doc_type,
            revision: document.revision,
            status: document.status,
            author: document.author,
            filename: document.filename,
            file_type: document.file_type,
            date_modified: document.date_modified,
            size: document.size,
            sha256: document.sha256,
            pages: document.pages,
            chunks: document.chunks,
            text_length: document.text_length,
            records: document.records,
            parent_id: document.parent_id,
            superseded_by: document.superseded_by,
            accepted_at: document.accepted_at,
            indexed_at: document.indexed_at,
            metadata: document.metadata,
        }
    }
}

/// One page of documents: the head of the queue, then what is stored, newest first. An import stands for its records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DocumentList")]
pub struct DocumentListView {
    pub documents: Vec<DocumentView>,
    /// Send it back as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

impl DocumentListView {
    pub fn new(list: DocumentList, language: UiLanguage) -> Self {
        Self {
            documents: list
                .documents
                .into_iter()
                .map(|document| DocumentView::new(document, language))
                .collect(),
            next_cursor: list.next_cursor,
        }
    }
}

/// One event of one document, as `GET /documents/{id}/events` sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DocumentEvent")]
pub struct EventView {
    pub event: EventKind,
    pub document_id: DocumentId,
    pub project_id: ProjectId,
    pub at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    pub percent: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// A sentence in the caller's language, null when there is nothing to say.
    pub reason: Option<String>,
    pub reason_code: Option<String>,
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

impl EventView {
    pub fn new(event: DocumentEvent, language: UiLanguage) -> Self {
        let (reason, reason_code) = sentence(event.reason, language);
        Self {
            event: event.event,
            document_id: event.document_id,
            project_id: event.project_id,
            at: event.at,
            request_id: event.request_id,
            percent: event.percent,
            stage: event.stage,
            reason,
            reason_code,
            title: event.title,
            revision: event.revision,
            chunks: event.chunks,
            text_length: event.text_length,
            superseded_by: event.superseded_by,
        }
    }

    /// Where a document stands now, told as the event that led there.
    pub fn of_state(document: Document, at: DateTime<Utc>, language: UiLanguage) -> Self {
        let kind = match document.state {
            State::Queued => EventKind::Queued,
            State::Processing => EventKind::Processing,
            State::Indexed => EventKind::Indexed,
            State::Failed => EventKind::Failed,
            State::Superseded => EventKind::Superseded,
        };
        let mut event = DocumentEvent::new(kind, document.project_id, document.document_id, at);
        event.percent = document.percent;
        event.reason = document.reason;
        event.title = document.title;
        event.revision = document.revision;
        event.superseded_by = document.superseded_by;
        if matches!(document.state, State::Indexed) {
            event.chunks = Some(document.chunks);
            event.text_length = Some(document.text_length);
        }
        Self::new(event, language)
    }
}

fn sentence(reason: Option<Reason>, language: UiLanguage) -> (Option<String>, Option<String>) {
    match reason {
        Some(Reason { code, message }) => (Some(message.in_language(language).to_owned()), Some(code)),
        None => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    #[test]
    fn a_reason_becomes_a_sentence_in_the_callers_language() {
        let mut event = DocumentEvent::new(
            EventKind::Failed,
            ProjectId::default_project(),
            "a".parse().unwrap(),
            DateTime::UNIX_EPOCH,
        );
        event.reason = Some(Reason { code: "empty".into(), message: Message::new("vacío", "empty") });
        let view = EventView::new(event.clone(), UiLanguage::Spanish);
        assert_eq!((view.reason.as_deref(), view.reason_code.as_deref()), (Some("vacío"), Some("empty")));
        event.reason = None;
        let json = serde_json::to_value(EventView::new(event, UiLanguage::English)).unwrap();
        assert!(json["reason"].is_null() && json.get("reason").is_some());
    }
}
