//! Feedback of users on answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Problem, Scope,
    account::Caller,
    analytics::days,
    chat::name,
    lenient::{self, Form, OldNames},
    search::in_range,
    text,
};

pub const MAX_COMMENT_CHARS: usize = 4_000;

/// `POST /feedback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackRequest {
    /// The conversation that the feedback is about, if any (`conversation_id` means the same).
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(with = "Option<String>", length(max = 128))]
    pub session_id: String,
    /// From 1 (useless) to 5 (exactly right).
    #[serde(deserialize_with = "lenient::required_integer")]
    #[schemars(range(min = 1, max = 5))]
    pub rating: i64,
    /// A comment of at most 4,000 characters.
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(with = "Option<String>", length(max = 4000))]
    pub comment: String,
}

impl Form for FeedbackRequest {
    const OLD_NAMES: OldNames = &[("conversation_id", "session_id")];
}

/// A validated feedback for a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SaveFeedback {
    pub scope: Scope,
    /// [`Caller::id`].
    pub caller: String,
    /// Empty if the feedback is about no conversation.
    pub session_id: String,
    pub rating: u8,
    pub comment: String,
}

impl SaveFeedback {
    pub fn new(request: FeedbackRequest, caller: &Caller) -> Result<Self, Problem> {
        text::check("comment", &request.comment, MAX_COMMENT_CHARS)?;
        Ok(Self {
            scope: caller.scope.clone(),
            caller: caller.id.clone(),
            session_id: name("session_id", &request.session_id)?.unwrap_or_default(),
            rating: in_range("rating", Some(request.rating), 1, 5)?.unwrap_or_default(),
            comment: request.comment,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackSaved {
    /// Always `success`.
    pub status: String,
    pub session_id: String,
    pub rating: u8,
}

/// `GET /api/analytics/feedback-stats?days=`: asks for statistics of the projects in the scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetFeedbackStats {
    pub scope: Scope,
    /// The number of days to look back.
    pub days: u16,
}

impl GetFeedbackStats {
    pub fn new(days_back: Option<i64>, scope: &Scope) -> Result<Self, Problem> {
        Ok(Self { scope: scope.clone(), days: days(days_back)? })
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackStats {
    pub days: u16,
    pub total_feedback: u64,
    /// 0 if there is no feedback.
    pub average_rating: f64,
    /// How often each rating, from "1" to "5", was given.
    pub ratings: BTreeMap<String, u64>,
    pub with_comment: u64,
}

#[cfg(test)]
mod tests;
