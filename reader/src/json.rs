//! JSON that is not a bulk import: its values become lines, each with its path.

use std::{fmt, io::Cursor};

use serde_json::Value;

use super::{
    BlockKind, Error, Extracted, ExtractedMetadata, Limits, blocks::Blocks, encoding,
    records::elements::elements,
};

/// The file is one value, a list, or one value per line. Each element becomes a paragraph of "name: value" lines.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let text = encoding::decode(bytes);
    let mut blocks = Blocks::new(limits);
    // If the document is one object, the object may be as large as the text may be.
    for (place, json) in elements(Cursor::new(text.as_bytes()), limits.text_bytes) {
        let damaged = |error: &dyn fmt::Display| Error::Damaged(format!("JSON, element {place}: {error}"));
        let json = json.map_err(|error| damaged(&error))?;
        let value: Value = serde_json::from_slice(&json).map_err(|error| damaged(&error))?;
        let mut lines = String::new();
        add(&mut lines, "", &value, limits)?;
        blocks.push(BlockKind::Paragraph, &lines, None)?;
    }
    Ok(blocks.finish(ExtractedMetadata::default()))
}

/// Adds the lines of a value. The recursion is as deep as the value; the JSON parser allows at most 128 levels.
fn add(lines: &mut String, path: &str, value: &Value, limits: &Limits) -> Result<(), Error> {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                add(lines, &path, value, limits)?;
            }
        }
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let items: Vec<String> = items.iter().map(scalar).filter(|item| !item.is_empty()).collect();
            add_line(lines, path, &items.join(", "), limits)?;
        }
        Value::Array(items) => {
            for item in items {
                add(lines, path, item, limits)?;
            }
        }
        scalar_value => add_line(lines, path, &scalar(scalar_value), limits)?,
    }
    Ok(())
}

fn add_line(lines: &mut String, path: &str, value: &str, limits: &Limits) -> Result<(), Error> {
    if !value.is_empty() {
        if !path.is_empty() {
            lines.push_str(path);
            lines.push_str(": ");
        }
        lines.push_str(value);
        lines.push('\n');
    }
    Error::if_over("bytes of text", lines.len(), limits.text_bytes)
}

/// Returns the text of a value; null becomes an empty text.
fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
