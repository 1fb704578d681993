//! Searches: the REST body, the validated query for the workers, and the result rows.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    DocumentId, Fields, Problem, ProjectId, Scope, fields,
    lenient::{self, Form, OldNames},
    messages, text,
};

pub const MAX_QUERY_CHARS: usize = 2_000;
pub const MAX_TOP_K: u8 = 50;

/// `POST /search`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchRequest {
    /// What to search for, in Spanish or English; also a document number or a part of one. 1 to 2,000 characters.
    #[schemars(length(min = 1, max = 2000), regex(pattern = r"^[^\x00]*\S[^\x00]*$"))]
    pub query: String,
    /// Searches only this project; null or absent: all projects that the caller may read.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub project_id: Option<ProjectId>,
    /// Maximum number of documents to return: 1 to 50, 10 when absent.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 50))]
    pub top_k: Option<i64>,
    /// Accepted from old clients (1 to 100), and ignored: the index has no such parameter any more.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 100))]
    pub probes: Option<i64>,
    /// Leaves out rows with a poor match (`BAJO`).
    #[serde(default, deserialize_with = "lenient::flag")]
    pub strict_mode: Option<bool>,
    #[serde(default)]
    pub filters: Option<Filters>,
    #[serde(default, deserialize_with = "lenient::optional")]
    pub mode: Option<Mode>,
}

impl Form for SearchRequest {
    const OLD_NAMES_WITHIN: &'static [(&'static str, OldNames)] = &[("filters", fields::OLD_NAMES)];
}

/// How to search: by meaning (`vector`), by words (`keyword`), or by both (`hybrid`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Hybrid,
    Vector,
    Keyword,
}

/// Only documents that match all given conditions. Texts are compared without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Filters {
    #[serde(flatten, serialize_with = "fields::given", deserialize_with = "lenient::flat")]
    pub fields: Fields,
    /// Only documents modified at or after this time (RFC 3339 or YYYY-MM-DD).
    #[serde(deserialize_with = "lenient::date")]
    #[schemars(with = "Option<String>")]
    pub date_from: Option<DateTime<Utc>>,
    /// Only documents modified at or before this time; a day means its end (UTC).
    #[serde(deserialize_with = "lenient::end_date")]
    #[schemars(with = "Option<String>")]
    pub date_to: Option<DateTime<Utc>>,
}

impl Filters {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A validated search for a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Search {
    /// The caller's projects; only the project that the request names, if it names one.
    pub scope: Scope,
    pub query: String,
    pub top_k: u8,
    pub mode: Mode,
    pub strict: bool,
    #[serde(default)]
    pub filters: Filters,
    /// Searches only this document (`/upload-and-query`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<DocumentId>,
}

impl Search {
    /// Validates a request; the caller's `scope` limits it.
    pub fn new(request: SearchRequest, scope: &Scope) -> Result<Self, Problem> {
        let query = request.query.trim();
        check_text("query", query)?;
        in_range("probes", request.probes, 1, 100)?;
        let filters = request.filters.unwrap_or_default();
        filters.fields.check("filters")?;
        Ok(Self {
            scope: scope.narrowed(request.project_id.as_ref()),
            query: query.to_owned(),
            top_k: in_range("top_k", request.top_k, 1, MAX_TOP_K.into())?.unwrap_or(10),
            mode: request.mode.unwrap_or_default(),
            strict: request.strict_mode.unwrap_or_default(),
            filters,
            document_id: None,
        })
    }
}

/// Checks the text of a question or query: 1 to 2,000 characters without NUL.
pub fn check_text(field: &str, text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        Err(messages::fields::empty().about(field))
    } else {
        text::check(field, text, MAX_QUERY_CHARS)
    }
}

pub fn in_range(field: &str, value: Option<i64>, min: i64, max: i64) -> Result<Option<u8>, Problem> {
    match value {
        Some(value) if (min..=max).contains(&value) => Ok(u8::try_from(value).ok()),
        Some(_) => Err(messages::fields::range(min, max).about(field)),
        None => Ok(None),
    }
}

/// The quality of a match, in the words that clients of the old system show unchanged.
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

/// The best passage of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = fields::always_there)]
pub struct SearchRow {
    pub document_id: DocumentId,
    /// The id of the passage within the document.
    pub chunk_id: String,
    pub project_id: ProjectId,
    #[serde(flatten)]
    pub fields: Fields,
    pub filename: String,
    pub file_type: String,
    /// Whether `GET /document/{id}/file` returns the original file: a record of an import has none.
    #[serde(default = "usually")]
    pub has_file: bool,
    pub date_modified: Option<DateTime<Utc>>,
    /// The page of the passage; null if the format has no pages.
    pub page: Option<u32>,
    pub snippet: String,
    /// Cosine similarity of query and passage, from 0 to 1.
    pub vector_score: f32,
    /// The share of the query's words, weighted by their rarity, that the passage contains, from 0 to 1.
    pub text_score: f32,
    /// The score by which rows are ordered, from 0 to 1.
    pub score: f32,
    pub match_quality: MatchQuality,
}

/// What a row says that was stored before rows said whether there is a file.
fn usually() -> bool {
    true
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchReply {
    pub rows: Vec<SearchRow>,
    /// The legs of the search that failed or took too long, so that their results are missing: `vector`, `keyword`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
}

/// Returns the projects that a search drew on: those of the rows that match at least moderately; without such rows, those
/// of all rows. A row is given by its project and quality, because the api reads no more of it.
pub fn drew_on<'a>(rows: impl Iterator<Item = (&'a ProjectId, MatchQuality)> + Clone) -> Vec<ProjectId> {
    let best = rows.clone().map(|(_, quality)| quality).max().unwrap_or(MatchQuality::Low);
    let relevant = rows.filter(|(_, quality)| *quality >= best.min(MatchQuality::Moderate));
    let projects: BTreeSet<&ProjectId> = relevant.map(|(project, _)| project).collect();
    projects.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests;
