//! The sentences that chat itself says, in the question's language.

use analysis::{Language, detect};
use schemas::problem::{Message, UiLanguage};

/// The language of a question; one too short to tell is in the language of the question before.
pub fn language(question: &str, before: Option<&str>) -> UiLanguage {
    let known = |text: &str| match detect(text) {
        Language::Spanish => Some(UiLanguage::Spanish),
        Language::English => Some(UiLanguage::English),
        Language::Unknown => None,
    };
    known(question).or_else(|| before.and_then(known)).unwrap_or_default()
}

pub fn not_found() -> Message {
    Message::new(
        "No encontré información sobre esto en los documentos disponibles.",
        "I found no information about this in the available documents.",
    )
}

pub fn model_failed() -> Message {
    Message::new(
        "El modelo de lenguaje no respondió; esta respuesta cita los documentos tal como están.",
        "The language model did not answer; this answer quotes the documents as they stand.",
    )
}

pub fn model_cited_nothing() -> Message {
    Message::new(
        "El modelo de lenguaje no citó ningún documento: compruebe esta respuesta.",
        "The language model cited no document: check this answer.",
    )
}
