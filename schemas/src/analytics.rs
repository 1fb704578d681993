//! What is searched, what one might search, and what there is to be found.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Problem, ProjectId, Scope, search::in_range, text};

/// The text of searches is kept this long.
pub const SEARCH_LOG_DAYS: i64 = 90;
pub const MAX_LIMIT: i64 = 100;

/// `GET /api/analytics/popular-searches?days&limit`: asks about searches that drew on projects of the scope alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetPopularSearches {
    pub scope: Scope,
    pub days: u16,
    pub limit: u8,
}

impl GetPopularSearches {
    /// `days`: 1 to 90, 30 when absent; `limit`: 1 to 100, 10 when absent.
    pub fn new(days_back: Option<i64>, limit: Option<i64>, scope: &Scope) -> Result<Self, Problem> {
        Ok(Self {
            scope: scope.clone(),
            days: days(days_back)?,
            limit: in_range("limit", limit, 1, MAX_LIMIT)?.unwrap_or(10),
        })
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PopularSearches {
    pub days: u16,
    /// The most frequent first.
    pub searches: Vec<PopularSearch>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PopularSearch {
    /// As it was typed last.
    pub query: String,
    pub count: u64,
    /// Documents found, on average.
    pub average_results: f64,
    pub last_searched: DateTime<Utc>,
}

/// Tells of searches that no worker saw because the cache answered them. Sent now and then, many at once; nobody waits
/// for it, and losing one loses a count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportSearches {
    pub searches: Vec<SearchSeen>,
}

/// Searches of one caller that were answered alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchSeen {
    pub query: String,
    /// The projects of the rows that came back; where nothing did, those that were searched.
    pub projects: Vec<ProjectId>,
    pub results: u32,
    /// How often.
    pub times: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reported {}

/// `GET /api/suggestions?q&limit`: how a search that begins like this may go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetSuggestions {
    pub scope: Scope,
    pub q: String,
    pub limit: u8,
}

impl GetSuggestions {
    /// `q`: up to 200 characters, empty for what is popular; `limit`: 1 to 50, 10 when absent.
    pub fn new(q: &str, limit: Option<i64>, scope: &Scope) -> Result<Self, Problem> {
        let q = q.trim();
        text::check("q", q, 200)?;
        Ok(Self {
            scope: scope.clone(),
            q: q.to_owned(),
            limit: in_range("limit", limit, 1, 50)?.unwrap_or(10),
        })
    }
}

/// Titles, document numbers and earlier searches, the likeliest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suggestions {
    pub suggestions: Vec<String>,
}

/// `GET /api/stats/documents`: counts what the scope holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetDocumentStats {
    pub scope: Scope,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentStats {
    /// All of them, in whatever state. Those still queued are not among them.
    pub total_documents: u64,
    /// Passages that a search can find.
    pub total_chunks: u64,
    /// Bytes of the original files.
    pub total_size: u64,
    /// Every state by its name.
    pub by_state: BTreeMap<String, u64>,
    /// By kind of document, searchable ones only; the empty name counts those that have none.
    pub by_type: BTreeMap<String, u64>,
    pub by_category: BTreeMap<String, u64>,
    pub by_project: BTreeMap<String, u64>,
    pub by_file_type: BTreeMap<String, u64>,
    pub last_indexed_at: Option<DateTime<Utc>>,
}

/// How many days to look back: 1 to 90, 30 when absent.
pub fn days(value: Option<i64>) -> Result<u16, Problem> {
    Ok(in_range("days", value, 1, SEARCH_LOG_DAYS)?.map_or(30, u16::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_parameter_is_named() {
        let scope = Scope::All;
        for (problem, field) in [
            (GetPopularSearches::new(Some(91), None, &scope).unwrap_err(), "days"),
            (GetPopularSearches::new(None, Some(0), &scope).unwrap_err(), "limit"),
            (GetSuggestions::new(&"x".repeat(201), None, &scope).unwrap_err(), "q"),
            (GetSuggestions::new("x", Some(51), &scope).unwrap_err(), "limit"),
        ] {
            assert!(problem.detail.en.starts_with(field), "{problem:?}");
        }
    }
}
