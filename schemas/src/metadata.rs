//! The metadata of a document as clients send it: different names and types are accepted here and normalized.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Fields, Problem, ProjectId, fields,
    lenient::{self, Form, OldNames},
    messages,
};

/// A document's metadata. An unknown text is empty, never null; fields that are not listed here are kept in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Metadata {
    /// The project the document belongs to (old name: `project`).
    #[serde(deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    #[serde(flatten, serialize_with = "fields::given", deserialize_with = "lenient::flat")]
    pub fields: Fields,
    /// When the document was last modified: RFC 3339, `YYYY-MM-DD` or `DD/MM/YYYY` (old name: `date`).
    #[serde(deserialize_with = "lenient::date", skip_serializing_if = "Option::is_none")]
    pub date_modified: Option<DateTime<Utc>>,
    /// All other fields that the client sent, unchanged.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Form for Metadata {
    const OLD_NAMES: OldNames = &[("project", "project_id"), ("date", "date_modified")];
    const OLD_NAMES_OF_PARTS: OldNames = fields::OLD_NAMES;
}

/// Maximum number of bytes of `extra`, as JSON.
pub const MAX_EXTRA_BYTES: usize = 32 * 1024;
/// Maximum number of levels of `extra`: a list or an object is one more than what it contains. Answers contain `extra`
/// inside other values, and JSON of more than 128 levels cannot be read.
pub const MAX_EXTRA_LEVELS: usize = 32;

impl Metadata {
    /// Returns the problem of the first field that is too long or cannot be stored.
    pub fn out_of_bounds(&self) -> Option<Problem> {
        self.fields.check("metadata").err().or_else(|| {
            let extra = serde_json::to_string(&self.extra).unwrap_or_default();
            let message = match extra.len() {
                bytes if bytes > MAX_EXTRA_BYTES => messages::fields::extra_too_large(MAX_EXTRA_BYTES / 1024),
                // Without escaped backslashes: a text may contain the six characters of the escape sequence themselves.
                _ if extra.replace(r"\\", "").contains(r"\u0000") => messages::fields::nul(),
                _ if self.extra.values().any(|value| is_deeper(value, MAX_EXTRA_LEVELS)) => {
                    messages::fields::too_deep(MAX_EXTRA_LEVELS)
                }
                _ => return None,
            };
            Some(message.about("metadata"))
        })
    }
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => true,
        Value::Array(values) => values.iter().any(|value| is_deeper(value, levels - 1)),
        Value::Object(fields) => fields.values().any(|value| is_deeper(value, levels - 1)),
        _ => false,
    }
}

/// Reads a date in the formats of construction systems. A day means its beginning.
pub fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    date_or_day(text, NaiveTime::MIN)
}

/// Reads the end of a period. A day means its last microsecond, the finest unit of PostgreSQL.
pub fn parse_end_date(text: &str) -> Option<DateTime<Utc>> {
    date_or_day(text, NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999)?)
}

/// `time` is the time for a text that is only a day.
fn date_or_day(text: &str, time: NaiveTime) -> Option<DateTime<Utc>> {
    has_whole_year(text).then_some(())?;
    moment(text).or_else(|| Some(day(text)?.and_time(time).and_utc())).and_then(plausible)
}

/// Returns the date if its year is 1 to 9999. PostgreSQL stores other years too, but writes them in a form that nobody
/// can read back.
pub fn plausible(date: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // For PostgreSQL, a leap second is the beginning of the next day.
    let stored = DateTime::from_timestamp_micros(date.timestamp_micros())?;
    (1..=9_999).contains(&stored.year()).then_some(date)
}

/// Whether one of the three numbers of the day has four digits. Two digits would be read as a year of the first century.
fn has_whole_year(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty()).take(3).any(|run| run.len() == 4)
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let zoned = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"];
    let zoned = || zoned.iter().find_map(|format| DateTime::parse_from_str(text, format).ok());
    if let Some(date) = DateTime::parse_from_rfc3339(text).ok().or_else(zoned) {
        return Some(date.to_utc());
    }
    [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%d/%m/%Y %H:%M:%S",
        "%d/%m/%Y %H:%M",
    ]
    .iter()
    .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    .map(|date| date.and_utc())
}

fn day(text: &str) -> Option<NaiveDate> {
    ["%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d"]
        .iter()
        .find_map(|format| NaiveDate::parse_from_str(text.trim(), format).ok())
}

#[cfg(test)]
mod tests;
