//! What users thought of their answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Lane, Problem, Query, Scope, account::Caller, analytics::days, chat::name, metadata::lenient,
    search::in_range,
};

pub const MAX_COMMENT_CHARS: usize = 4_000;

/// `POST /feedback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackRequest {
    /// The conversation it is about (`conversation_id` means the same).
    #[serde(alias = "conversation_id", deserialize_with = "lenient::text")]
    #[schemars(length(min = 1, max = 128))]
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

/// A checked feedback on its way to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SaveFeedback {
    pub scope: Scope,
    /// [`Caller::id`].
    pub caller: String,
    pub session_id: String,
    pub rating: u8,
    pub comment: String,
}

impl SaveFeedback {
    pub fn new(request: FeedbackRequest, caller: &Caller) -> Result<Self, Problem> {
        let Some(session_id) = name("session_id", &request.session_id)? else {
            return Err(Problem::field("session_id", "no puede estar vacío.", "must not be empty."));
        };
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
            session_id,
            rating: in_range("rating", Some(request.rating), 1, 5)?.unwrap_or_default(),
            comment: request.comment,
        })
    }
}

impl Query for SaveFeedback {
    type Reply = FeedbackSaved;
    const LANE: Lane = Lane::Lookup;
    const NAME: &'static str = "feedback.save";
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

impl Query for GetFeedbackStats {
    type Reply = FeedbackStats;
    const LANE: Lane = Lane::Lookup;
    const NAME: &'static str = "analytics.feedback";
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
        SaveFeedback::new(serde_json::from_str(json).unwrap(), &caller)
    }

    #[test]
    fn both_names_of_a_conversation_are_read() {
        assert_eq!(check(r#"{"session_id": "s", "rating": 5, "comment": null}"#).unwrap().rating, 5);
        assert_eq!(check(r#"{"conversation_id": "s", "rating": 1}"#).unwrap().session_id, "s");
    }

    #[test]
    fn a_bad_field_is_named() {
        for (json, field) in [
            (r#"{"session_id": " ", "rating": 5}"#, "session_id"),
            (r#"{"session_id": "s", "rating": 6}"#, "rating"),
            (r#"{"session_id": "s", "rating": 5, "comment": "\u0000"}"#, "comment"),
        ] {
            let problem = check(json).unwrap_err();
            assert!(problem.detail.en.starts_with(field), "{json}: {problem:?}");
        }
    }
}
