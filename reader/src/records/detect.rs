//! Recognizes a bulk import by the beginning of its first record.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::super::encoding;

/// Whether a file is a bulk import: its first object has a `DocumentId`, or both `metadata` and `full_text`.
pub fn is_records(first_bytes: &[u8]) -> bool {
    let decoded = encoding::utf16(first_bytes).map(|encoding| encoding.decode(first_bytes).0);
    let first_bytes = decoded.as_ref().map_or(first_bytes, |text| text.as_bytes());
    let json = first_bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first_bytes).trim_ascii_start();
    let json = json.strip_prefix(b"[").unwrap_or(json);
    let mut names = Names::default();
    // The bytes may end inside the object; the names before the error are enough.
    let _ = serde_json::Deserializer::from_slice(json).deserialize_map(&mut names);
    names.document_id || (names.metadata && names.full_text)
}

/// Which of these fields an object has, in the part of it that was read.
#[derive(Default)]
struct Names {
    document_id: bool,
    metadata: bool,
    full_text: bool,
}

impl<'de> Visitor<'de> for &mut Names {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(name) = object.next_key::<String>()? {
            self.document_id |= name.eq_ignore_ascii_case("DocumentId");
            self.metadata |= name.eq_ignore_ascii_case("metadata");
            self.full_text |= name.eq_ignore_ascii_case("full_text");
            object.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_recognized_by_its_first_record() {
        for json in [
            r#"{"DocumentId": "271341", "metadata": {"Title": "x"}}"#,
            " \n[ {\"metadata\": {\"Title\": \"a \\\" b\"}, \"DocumentId\": 7},",
            "\u{feff}{\"metadata\": {}, \"full_text\": \"cut in the mid",
            r#"{"metadata": {"a": [1, {"b": 2}]}, "full_text": "x""#,
        ] {
            assert!(is_records(json.as_bytes()), "{json}");
        }
        for json in [
            r#"{"name": "DocumentId"}"#,
            r#"{"metadata": {"DocumentId": 1}}"#,
            r#"["DocumentId"]"#,
            "DocumentId;Title",
            "",
            "{",
            r#"{} {"DocumentId": 1}"#,
        ] {
            assert!(!is_records(json.as_bytes()), "{json}");
        }
    }
}
