//! Bulk imports: files of Aconex records, one object, a list, or one object a line.
//!
//! They are read as a stream, one record at a time: a file of a million records needs the memory of one, and a broken
//! record is its own failure only.

mod detect;
pub mod elements;
mod labels;
mod map;

use std::io::BufRead;

use schemas::problem::Reason;

use super::{Limits, encoding::Utf8};
pub use detect::is_records;
use elements::{Element, elements};

/// A record that becomes a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where it stands in the file: its line, or its position in the list, from 1.
    pub index: u64,
    pub document_id: String,
    /// The project it names itself.
    pub project: Option<String>,
    pub metadata: schemas::Metadata,
    pub filename: String,
    pub full_text: Option<String>,
    /// Its metadata as text, for records without `full_text`.
    pub labelled: String,
}

/// A record that cannot become a document.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("record {index}: {}", reason.message.en)]
pub struct RecordError {
    pub index: u64,
    pub reason: Reason,
}

/// The records of a file, in order.
pub fn read(reader: impl BufRead, limits: &Limits) -> impl Iterator<Item = Result<Record, RecordError>> {
    elements(Utf8::new(reader), limits.record_bytes).map(|element| {
        let Element { place, json } =
            element.map_err(|error| RecordError { index: error.place(), reason: error.reason() })?;
        let value = serde_json::from_slice(&json).map_err(|error| RecordError {
            index: place,
            reason: Reason::new(
                "bad_record",
                format!("El registro no es JSON válido: {error}."),
                format!("The record is not valid JSON: {error}."),
            ),
        })?;
        map::record(place, value).map_err(|reason| RecordError { index: place, reason })
    })
}

#[cfg(test)]
mod tests;
