//! Statistics of searches and documents, and suggestions for searches.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Problem, ProjectId, Scope, search::in_range, text};

/// The text of a search is kept for this many days.
pub const SEARCH_LOG_DAYS: i64 = 90;
pub const MAX_LIMIT: i64 = 100;

/// `GET /api/analytics/popular-searches?days&limit`: asks for searches whose projects are all in the scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetPopularSearches {
    pub scope: Scope,
    pub days: u16,
    pub limit: u8,
}

impl GetPopularSearches {
    /// `days`: 1 to 90, 30 when absent; `limit`: 1 to 100, 10 when absent.
    pub fn new(days_back: Option<i64>, limit: Option<i64>, scope: &Scope) -> Result<Self, Problem> {
        let days = days(days_back)?;
        let limit = in_range("limit", limit, 1, MAX_LIMIT)?.unwrap_or(10);
        Ok(Self { scope: scope.clone(), days, limit })
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
    /// The query as it was last typed.
    pub query: String,
    pub count: u64,
    /// The average number of documents found.
    pub average_results: f64,
    pub last_searched: DateTime<Utc>,
}

/// Reports searches that the cache answered, so that no worker saw them. It is sent from time to time, with many
/// searches at once. Nobody waits for the answer; if a report is lost, its searches are not counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportSearches {
    pub searches: Vec<SearchSeen>,
}

/// Searches of one caller with the same query and the same results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchSeen {
    pub query: String,
    /// The projects of the rows that were found; if none was found, the projects that were searched.
    pub projects: Vec<ProjectId>,
    pub results: u32,
    /// How often the search was made.
    pub times: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reported {}

/// `GET /api/suggestions?q&limit`: asks for searches that begin with `q`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetSuggestions {
    pub scope: Scope,
    pub q: String,
    pub limit: u8,
}

impl GetSuggestions {
    /// `q`: up to 200 characters; if it is empty, popular searches are suggested. `limit`: 1 to 50, 10 when absent.
    pub fn new(q: &str, limit: Option<i64>, scope: &Scope) -> Result<Self, Problem> {
        let q = q.trim();
        text::check("q", q, 200)?;
        let limit = in_range("limit", limit, 1, 50)?.unwrap_or(10);
        Ok(Self { scope: scope.clone(), q: q.to_owned(), limit })
    }
}

/// Titles, document numbers and earlier searches, the most likely first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suggestions {
    pub suggestions: Vec<String>,
}

/// `GET /api/stats/documents`: asks for the number of documents in the scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetDocumentStats {
    pub scope: Scope,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentStats {
    /// All documents in any state but `queued`.
    pub total_documents: u64,
    /// Passages that a search can find.
    pub total_chunks: u64,
    /// Total size of the original files that could be read, in bytes.
    pub total_size: u64,
    /// The number of documents in each state.
    pub by_state: BTreeMap<String, u64>,
    /// The number of searchable documents of each type; the empty name counts documents without a type. Of very many names,
    /// only the most frequent are counted, here and in the lists below.
    pub by_type: BTreeMap<String, u64>,
    pub by_category: BTreeMap<String, u64>,
    pub by_project: BTreeMap<String, u64>,
    pub by_file_type: BTreeMap<String, u64>,
    pub last_indexed_at: Option<DateTime<Utc>>,
}

/// The number of days to look back: 1 to 90, 30 when absent.
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
