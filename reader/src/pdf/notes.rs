//! What people add to a page: the values of form fields, and comments.

use std::collections::HashSet;

use pdfium_render::prelude::{
    PdfFormField, PdfFormFieldCommon as _, PdfPage, PdfPageAnnotation, PdfPageAnnotationCommon as _,
};

use super::line::{Line, Turn};
use crate::blocks::one_line;

/// Maximum number of annotations of a page that are read.
const PER_PAGE: usize = 2_000;

/// Maximum number of notes of a document.
const MOST_NOTES: usize = 10_000;

/// The notes of a document, without repetitions: a stamp may be on each page, and each button of a group has its value.
#[derive(Default)]
pub(super) struct Notes(HashSet<String>);

impl Notes {
    /// Returns the notes of the next page that are not also printed on it.
    pub fn of_page(&mut self, page: &PdfPage, turn: &Turn, lines: &[Line]) -> Vec<String> {
        let annotations = page.annotations();
        let mut notes = Vec::new();
        for index in 0..annotations.len().min(PER_PAGE) {
            let Ok(annotation) = annotations.get(index) else { continue };
            let Some((name, text)) = named_text(&annotation) else { continue };
            let is_printed = annotation.bounds().is_ok_and(|area| {
                lines.iter().any(|line| turn.is_inside(line, &area) && has_words(&line.text(), &text))
            });
            let note = if name.is_empty() { text } else { format!("{name}: {text}") };
            if !is_printed && self.0.len() < MOST_NOTES && self.0.insert(note.clone()) {
                notes.push(note);
            }
        }
        notes
    }
}

/// Returns the name and the value of a form field, or the text of a comment, which has no name.
fn named_text(annotation: &PdfPageAnnotation) -> Option<(String, String)> {
    let (name, text) = match annotation {
        _ if annotation.is_hidden() => return None,
        PdfPageAnnotation::Widget(_) | PdfPageAnnotation::XfaWidget(_) => {
            let field = annotation.as_form_field()?;
            (field.name().unwrap_or_default(), value(field)?)
        }
        // A popup shows the text of its comment again.
        PdfPageAnnotation::Popup(_) | PdfPageAnnotation::Link(_) => return None,
        _ => (String::new(), annotation.contents()?),
    };
    Some((one_line(&name), one_line(&text))).filter(|(_, text)| !text.is_empty())
}

fn value(field: &PdfFormField) -> Option<String> {
    /// The value of a button that is not chosen.
    const OFF: &str = "Off";
    match field {
        // The value of a rich text field is XML.
        PdfFormField::Text(field) if field.is_password() || field.is_rich_text() => None,
        PdfFormField::Text(field) => field.value(),
        PdfFormField::ComboBox(field) => field.value(),
        PdfFormField::ListBox(field) => field.value(),
        PdfFormField::Checkbox(field) => field.group_value().filter(|value| value != OFF),
        PdfFormField::RadioButton(field) => field.group_value().filter(|value| value != OFF),
        _ => None,
    }
}

/// Whether a text contains some words, and not only as parts of longer words.
fn has_words(text: &str, words: &str) -> bool {
    format!(" {text} ").contains(&format!(" {words} "))
}
