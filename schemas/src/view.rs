//! Documents and events as REST clients see them, with the reason in the caller's language.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    document::{self, Document, DocumentList},
    event::{self, DocumentEvent},
    problem::{Reason, UiLanguage},
};

/// The reason of a state, in one language.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sentence {
    /// Why the document failed or what it waits for, in the caller's language; null if there is no reason.
    pub reason: Option<String>,
    /// The same reason as a code, for programs.
    pub reason_code: Option<String>,
}

impl Sentence {
    pub(crate) fn new(reason: Option<Reason>, language: UiLanguage) -> Self {
        reason.map_or_else(Self::default, |Reason { code, message }| Self {
            reason: Some(message.in_language(language).to_owned()),
            reason_code: Some(code),
        })
    }
}

/// A document and its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Document")]
pub struct DocumentView {
    #[serde(flatten)]
    pub facts: document::Facts,
    #[serde(flatten)]
    pub sentence: Sentence,
}

impl DocumentView {
    pub fn new(document: Document, language: UiLanguage) -> Self {
        Self { facts: document.facts, sentence: Sentence::new(document.reason, language) }
    }
}

pub type DocumentListView = DocumentList<DocumentView>;

impl DocumentListView {
    pub fn new(list: DocumentList, language: UiLanguage) -> Self {
        let view = |document| DocumentView::new(document, language);
        Self { documents: list.documents.into_iter().map(view).collect(), next_cursor: list.next_cursor }
    }
}

/// An event of a document, as `GET /documents/{id}/events` sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DocumentEvent")]
pub struct EventView {
    #[serde(flatten)]
    pub facts: event::Facts,
    #[serde(flatten)]
    pub sentence: Sentence,
}

impl EventView {
    pub fn new(event: DocumentEvent, language: UiLanguage) -> Self {
        Self { facts: event.facts, sentence: Sentence::new(event.reason, language) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{Message, ProjectId, event::EventKind};

    #[test]
    fn a_reason_becomes_a_sentence_in_the_callers_language() {
        let mut event = DocumentEvent::new(
            EventKind::Failed,
            ProjectId::default_project(),
            "a".parse().unwrap(),
            DateTime::UNIX_EPOCH,
        );
        event.reason = Some(Reason {
            code: "empty".into(),
            message: Message { es: "vacío".into(), en: "empty".into() },
        });
        let view = EventView::new(event.clone(), UiLanguage::Spanish).sentence;
        assert_eq!((view.reason.as_deref(), view.reason_code.as_deref()), (Some("vacío"), Some("empty")));
        event.reason = None;
        let json = serde_json::to_value(EventView::new(event, UiLanguage::English)).unwrap();
        assert!(json["reason"].is_null() && json.get("reason").is_some());
    }
}
