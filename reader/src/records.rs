//! Bulk imports: files of Aconex records. A file is one object, a list, or one object per line.
//!
//! Records are read as a stream, one at a time: a file of a million records needs no more memory than its
//! largest record, and an invalid record does not affect the others.

mod detect;
pub mod elements;
mod labels;
mod map;

use std::io::BufRead;

use schemas::messages::reading;

use super::{Limits, Record, RecordError, encoding};
pub use detect::is_records;
use elements::elements;

/// Returns the records of a file, in order.
pub fn read(reader: impl BufRead, limits: &Limits) -> impl Iterator<Item = Result<Record, RecordError>> {
    elements(encoding::utf8(reader), limits.record_bytes).map(|(index, json)| {
        let json = json.map_err(|error| RecordError { index, reason: error.reason() })?;
        serde_json::from_slice(&json)
            .map_err(|error| reading::record_not_json(&error))
            .and_then(|value| map::record(index, value))
            .map_err(|sentence| RecordError { index, reason: sentence.reason("bad_record") })
    })
}

#[cfg(test)]
mod tests;
