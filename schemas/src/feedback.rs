//! What users thought of their answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Problem, Scope,
    account::Caller,
    analytics::days,
    chat::name,
    lenient::{self, Form},
    search::in_range,
};

pub const MAX_COMMENT_CHARS: usize = 4_000;

/// `POST /feedback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackRequest {
    /// The conversation it is about, if any (`conversation_id` means the same).
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(with = "Option<String>", length(max = 128))]
    pub session_id: String,
    /// 1 (useless) to 5 (just right).
    #[serde(deserialize_with = "lenient::required_integer")]
    #[schemars(range(min = 1, max = 5))]
    pub rating: i64,
    /// Up to 4,000 characters.
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(with = "Option<String>", length(max = 4000))]
    pub comment: String,
}

impl Form for FeedbackRequest {
    const OLD_NAMES: &'static [(&'static str, &'static str)] = &[("conversation_id", "session_id")];
}

/// A checked feedback on its way to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SaveFeedback {
    pub scope: Scope,
    /// [`Caller::id`].
    pub caller: String,
    /// Empty when it is about no conversation.
    pub session_id: String,
    pub rating: u8,
    pub comment: String,
}

impl SaveFeedback {
    pub fn new(request: FeedbackRequest, caller: &Caller) -> Result<Self, Problem> {
        if request.comment.chars().count() > MAX_COMMENT_CHARS {
            return Err(Problem::field(
                "comment",
                "no puede tener más de 4000 caracteres.",
                "must not have more than 4000 characters.",
            ));
        }
        if request.comment.contains('\0') {
            return Err(Problem::field("comment", "contiene un carácter NUL.", "contains a NUL character."));
        }
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

/// `GET /api/analytics/feedback-stats?days=`: asks about the projects of the scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetFeedbackStats {
    pub scope: Scope,
    /// How far back.
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
    /// 0 when there is none.
    pub average_rating: f64,
    /// How often each rating, from "1" to "5", was given.
    pub ratings: BTreeMap<String, u64>,
    pub with_comment: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{CallerLimits, Role};

    fn check(json: &str) -> Result<SaveFeedback, Problem> {
        let caller = Caller {
            id: "key:1".into(),
            user_id: None,
            name: String::new(),
            role: Role::Read,
            scope: Scope::All,
            limits: CallerLimits::default(),
        };
        SaveFeedback::new(lenient::read("", json.as_bytes())?, &caller)
    }

    #[test]
    fn a_conversation_may_be_named_in_two_ways_or_not_at_all() {
        for (json, session) in [
            (r#"{"session_id": "s", "rating": 5, "comment": null}"#, "s"),
            (r#"{"conversation_id": "s", "rating": 5}"#, "s"),
            (r#"{"conversation_id": "c", "session_id": "s", "rating": 5}"#, "s"),
            (r#"{"conversation_id": "c", "session_id": " ", "rating": 5}"#, "c"),
            (r#"{"session_id": null, "rating": 5}"#, ""),
            (r#"{"rating": "5"}"#, ""),
        ] {
            let feedback = check(json).unwrap();
            assert_eq!((feedback.session_id.as_str(), feedback.rating), (session, 5), "{json}");
        }
    }

    #[test]
    fn a_bad_field_is_named() {
        for (json, field) in [
            (r#"{"session_id": "a\nb", "rating": 5}"#, "session_id"),
            (r#"{"session_id": "s"}"#, "rating"),
            (r#"{"session_id": "s", "rating": null}"#, "rating"),
            (r#"{"session_id": "s", "rating": 6}"#, "rating"),
            (r#"{"session_id": "s", "rating": 5, "comment": "\u0000"}"#, "comment"),
        ] {
            let problem = check(json).unwrap_err();
            assert!(problem.detail.en.starts_with(field), "{json}: {problem:?}");
        }
    }
}
