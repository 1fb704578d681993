//! What a client says about a document. Old clients are generous with names and types; from here on it is tidy.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ProjectId;

/// A document's metadata. Text is empty when unknown, never null; anything not listed here is kept in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Metadata {
    /// The project the document belongs to (old name: `project`).
    #[serde(
        alias = "project",
        deserialize_with = "lenient::project",
        skip_serializing_if = "Option::is_none"
    )]
    pub project_id: Option<ProjectId>,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Kind of document, such as "Plano" or "Specification" (old name: `type`).
    #[serde(alias = "type", deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub doc_type: String,
    /// Document number, such as `200076-CCC02-PL-AR-000400` (old name: `document_number`). Documents of one project
    /// with the same number are revisions of each other.
    #[serde(
        alias = "document_number",
        deserialize_with = "lenient::text",
        skip_serializing_if = "String::is_empty"
    )]
    pub number: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub category: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub revision: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub status: String,
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// When the document was last modified: RFC 3339, `YYYY-MM-DD` or `DD/MM/YYYY` (old name: `date`).
    #[serde(alias = "date", deserialize_with = "lenient::date", skip_serializing_if = "Option::is_none")]
    pub date_modified: Option<DateTime<Utc>>,
    /// Everything else the client sent, kept as it is.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Longest text of one metadata field, in characters.
pub const MAX_FIELD_CHARS: usize = 1_000;
/// Largest `extra`, as JSON bytes.
pub const MAX_EXTRA_BYTES: usize = 32 * 1024;

impl Metadata {
    /// The first field that is out of bounds, with a reason.
    pub fn out_of_bounds(&self) -> Option<(&'static str, String)> {
        let fields = [
            ("title", &self.title),
            ("doc_type", &self.doc_type),
            ("number", &self.number),
            ("category", &self.category),
            ("revision", &self.revision),
            ("status", &self.status),
            ("author", &self.author),
        ];
        for (name, text) in fields {
            if text.chars().count() > MAX_FIELD_CHARS {
                return Some((name, format!("longer than {MAX_FIELD_CHARS} characters")));
            }
            // PostgreSQL text cannot hold it, and no client means it.
            if text.contains('\0') {
                return Some((name, "contains a NUL character".to_owned()));
            }
        }
        let extra = serde_json::to_string(&self.extra).unwrap_or_default();
        if extra.len() > MAX_EXTRA_BYTES {
            return Some(("metadata", format!("more than {MAX_EXTRA_BYTES} bytes of further fields")));
        }
        extra.contains("\\u0000").then(|| ("metadata", "contains a NUL character".to_owned()))
    }
}

/// Reads a date as construction systems write them.
pub fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(date) = DateTime::parse_from_rfc3339(text) {
        return Some(date.with_timezone(&Utc));
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M"] {
        if let Ok(date) = chrono::NaiveDateTime::parse_from_str(text, format) {
            return Some(date.and_utc());
        }
    }
    for format in ["%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d"] {
        if let Ok(date) = chrono::NaiveDate::parse_from_str(text, format) {
            return Some(date.and_time(chrono::NaiveTime::MIN).and_utc());
        }
    }
    None
}

/// Readers that accept what old clients send: numbers for text, null for absent, empty for none.
pub mod lenient {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, de::Error};
    use serde_json::Value;

    use crate::ProjectId;

    pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text.trim().to_owned()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            other => Err(D::Error::custom(format!("expected a text, found {}", kind(&other)))),
        }
    }

    pub fn project<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ProjectId>, D::Error> {
        let text = text(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|error| D::Error::custom(format!("project_id {error}")))
    }

    pub fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        let text = text(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        super::parse_date(&text).map(Some).ok_or_else(|| {
            D::Error::custom(format!(
                "date {text:?} is not a date such as 2026-11-24, 24/11/2026 or RFC 3339"
            ))
        })
    }

    /// A whole number, also written as `5.0` or `"5"`.
    pub fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let whole = match &value {
            Value::Null => return Ok(None),
            Value::Number(number) => number.as_i64().or_else(|| {
                let float = number.as_f64()?;
                // Every whole number of a request is small: beyond this, a float is not exact any more.
                (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64)
            }),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        whole.map(Some).ok_or_else(|| D::Error::custom(format!("expected a whole number, found {value}")))
    }

    /// The same where there must be one.
    pub fn required_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        integer(deserializer)?.ok_or_else(|| D::Error::custom("expected a whole number, found null"))
    }

    fn kind(value: &Value) -> &'static str {
        match value {
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
            _ => "something else",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_and_loose_types_are_read() {
        let metadata: Metadata = serde_json::from_str(
            r#"{"project": "Torre Norte", "type": "Plano", "document_number": 400, "revision": null,
                "date": "24/11/2026", "SelectList1": "x"}"#,
        )
        .unwrap();
        assert_eq!(metadata.project_id.unwrap().as_str(), "Torre Norte");
        assert_eq!(
            (metadata.doc_type.as_str(), metadata.number.as_str(), metadata.revision.as_str()),
            ("Plano", "400", "")
        );
        assert_eq!(metadata.date_modified.unwrap().to_rfc3339(), "2026-11-24T00:00:00+00:00");
        assert_eq!(metadata.extra["SelectList1"], "x");
    }

    #[test]
    fn a_bad_date_and_a_list_for_text_say_so() {
        let error = serde_json::from_str::<Metadata>(r#"{"date": "mañana"}"#).unwrap_err();
        assert!(error.to_string().contains("mañana"), "{error}");
        let error = serde_json::from_str::<Metadata>(r#"{"title": ["a"]}"#).unwrap_err();
        assert!(error.to_string().contains("expected a text, found a list"), "{error}");
    }

    #[test]
    fn bounds_name_the_field() {
        let metadata = Metadata { author: "x".repeat(1_001), ..Metadata::default() };
        assert_eq!(metadata.out_of_bounds().unwrap().0, "author");
        let metadata: Metadata = serde_json::from_str(r#"{"a": "\u0000"}"#).unwrap();
        assert_eq!(metadata.out_of_bounds().unwrap().0, "metadata");
    }
}
