//! Tells a bulk import by how its first record begins.

use super::super::encoding;

/// Whether a file that begins like this holds Aconex records: its first object, alone or in a list, has a `DocumentId`.
pub fn is_records(first_bytes: &[u8]) -> bool {
    let decoded = encoding::utf16(first_bytes).map(|encoding| encoding.decode(first_bytes).0);
    let first_bytes = decoded.as_ref().map_or(first_bytes, |text| text.as_bytes());
    let json = first_bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first_bytes).trim_ascii_start();
    let json = json.strip_prefix(b"[").unwrap_or(json).trim_ascii_start();
    let Some(object) = json.strip_prefix(b"{") else { return false };
    let names = outer_names(object);
    let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted.as_bytes()));
    has("DocumentId") || (has("metadata") && has("full_text"))
}

/// The field names of an object, its opening brace taken off, as far as it is there.
fn outer_names(object: &[u8]) -> Vec<&[u8]> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < object.len() {
        match object[at] {
            b'"' => {
                let start = at + 1;
                let Some(end) = string_end(object, start) else { return names };
                at = end;
                let is_name = object[end + 1..].trim_ascii_start().starts_with(b":");
                if depth == 0 && is_name {
                    names.push(&object[start..end]);
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return names,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    names
}

/// Where the text that starts at `from` ends.
fn string_end(json: &[u8], from: usize) -> Option<usize> {
    let mut escaped = false;
    json[from..]
        .iter()
        .position(|b| match b {
            _ if escaped => {
                escaped = false;
                false
            }
            b'\\' => {
                escaped = true;
                false
            }
            other => *other == b'"',
        })
        .map(|end| from + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_first_record() {
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
