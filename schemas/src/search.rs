//! Searches: the REST body, its checked form for the workers, and the rows that come back.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    DocumentId, Fields, Problem, ProjectId, Scope, fields,
    lenient::{self, Form},
    messages, text,
};

pub const MAX_QUERY_CHARS: usize = 2_000;
pub const MAX_TOP_K: u8 = 50;
pub const DEFAULT_TOP_K: u8 = 10;

/// `POST /search`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchRequest {
    /// What is looked for, in Spanish or English, or a document number or a part of one: 1 to 2,000 characters.
    #[schemars(length(min = 1, max = 2000), regex(pattern = r"^[^\x00]*\S[^\x00]*$"))]
    pub query: String,
    /// Only this project; null or absent: all that the caller may read.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub project_id: Option<ProjectId>,
    /// How many documents at most: 1 to 50, 10 when absent.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 50))]
    pub top_k: Option<i64>,
    /// Sent by old clients (1 to 100); the index needs no such knob any more, so it changes nothing.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 100))]
    pub probes: Option<i64>,
    /// Leaves out rows whose match is poor (`BAJO`).
    #[serde(default, deserialize_with = "lenient::flag")]
    pub strict_mode: Option<bool>,
    #[serde(default)]
    pub filters: Option<Filters>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub mode: Option<Mode>,
}

impl Form for SearchRequest {}

/// How to search: by meaning and by words together, or by one alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Hybrid,
    Vector,
    Keyword,
}

/// Only documents that match all that is given. Texts compare without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Filters {
    #[serde(flatten, serialize_with = "fields::given", deserialize_with = "lenient::flat")]
    pub fields: Fields,
    /// Modified on or after this moment (RFC 3339 or YYYY-MM-DD).
    #[serde(deserialize_with = "lenient::date")]
    #[schemars(with = "Option<String>")]
    pub date_from: Option<DateTime<Utc>>,
    /// Modified on or before this moment; of a day, all of it counts (UTC).
    #[serde(deserialize_with = "lenient::end_date")]
    #[schemars(with = "Option<String>")]
    pub date_to: Option<DateTime<Utc>>,
}

impl Filters {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A checked search on its way to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Search {
    /// The caller's projects, already narrowed to the one it named.
    pub scope: Scope,
    pub query: String,
    pub top_k: u8,
    pub mode: Mode,
    pub strict: bool,
    #[serde(default)]
    pub filters: Filters,
    /// Only within this one document (`/upload-and-query`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<DocumentId>,
}

impl Search {
    /// Checks a request; the caller's `scope` bounds it.
    pub fn new(request: SearchRequest, scope: &Scope) -> Result<Self, Problem> {
        let query = request.query.trim();
        check_text("query", query)?;
        in_range("probes", request.probes, 1, 100)?;
        let filters = request.filters.unwrap_or_default();
        filters.fields.check("filters")?;
        Ok(Self {
            scope: scope.narrowed(request.project_id.as_ref()),
            query: query.to_owned(),
            top_k: in_range("top_k", request.top_k, 1, i64::from(MAX_TOP_K))?.unwrap_or(DEFAULT_TOP_K),
            mode: request.mode.unwrap_or_default(),
            strict: request.strict_mode.unwrap_or_default(),
            filters,
            document_id: None,
        })
    }
}

/// A question's or query's text: 1 to 2,000 characters that a database can hold.
pub fn check_text(field: &str, text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        Err(messages::fields::empty().about(field))
    } else {
        text::check(field, text, MAX_QUERY_CHARS)
    }
}

/// An optional whole number within bounds.
pub fn in_range(field: &str, value: Option<i64>, min: i64, max: i64) -> Result<Option<u8>, Problem> {
    match value {
        Some(value) if (min..=max).contains(&value) => Ok(u8::try_from(value).ok()),
        Some(_) => Err(messages::fields::range(min, max).about(field)),
        None => Ok(None),
    }
}

/// How good a match is, in words that clients of the old system show as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MatchQuality {
    #[serde(rename = "BAJO")]
    Low,
    #[serde(rename = "MODERADO")]
    Moderate,
    #[serde(rename = "BUENO")]
    Good,
    #[serde(rename = "MUY BUENO")]
    VeryGood,
    #[serde(rename = "EXCELENTE")]
    Excellent,
}

/// The best passage of one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = fields::always_there)]
pub struct SearchRow {
    pub document_id: DocumentId,
    /// The passage within the document.
    pub chunk_id: String,
    pub project_id: ProjectId,
    #[serde(flatten)]
    pub fields: Fields,
    pub filename: String,
    pub file_type: String,
    pub date_modified: Option<DateTime<Utc>>,
    /// The page the passage is on; null where the format has no pages.
    pub page: Option<u32>,
    pub snippet: String,
    /// Cosine similarity of meaning, 0 to 1.
    pub vector_score: f32,
    /// Share of the query's words (by rarity) that the passage holds, 0 to 1.
    pub text_score: f32,
    /// What rows are ordered by, 0 to 1.
    pub score: f32,
    pub match_quality: MatchQuality,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchReply {
    pub rows: Vec<SearchRow>,
    /// Legs of the search that failed or took too long and were left out: `vector`, `keyword`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
}

#[cfg(test)]
mod tests;
