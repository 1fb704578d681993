//! Earlier questions and answers.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Problem, Scope,
    account::Caller,
    chat::{Source, name},
    search::in_range,
};

pub const MAX_HISTORY: i64 = 200;

/// `GET /history/{conversation_id}` and `GET /chat/history/{user_id}`: the newest turns, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    pub history: Vec<HistoryEntry>,
}

/// One question with the answer that was given then; its sources may have been superseded or deleted since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    pub question: String,
    pub answer: String,
    pub sources: Vec<Source>,
    pub timestamp: DateTime<Utc>,
    pub conversation_id: String,
}

/// Asks for a conversation of the caller. The answer is empty if the caller has no such conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationHistory {
    pub scope: Scope,
    /// [`Caller::id`].
    pub caller: String,
    pub conversation_id: String,
    pub limit: u8,
}

impl ConversationHistory {
    pub fn new(conversation_id: &str, limit: Option<i64>, caller: &Caller) -> Result<Self, Problem> {
        let conversation_id = name("conversation_id", conversation_id)?.unwrap_or_default();
        let limit = in_range("limit", limit, 1, MAX_HISTORY)?.unwrap_or(MAX_HISTORY as u8);
        Ok(Self { scope: caller.scope.clone(), caller: caller.id.clone(), conversation_id, limit })
    }
}

/// Asks for the questions that the caller asked for a user or as that user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserHistory {
    pub scope: Scope,
    /// [`Caller::id`].
    pub caller: String,
    pub user_id: String,
    pub limit: u8,
}

impl UserHistory {
    pub fn new(user_id: &str, limit: Option<i64>, caller: &Caller) -> Result<Self, Problem> {
        let user_id = caller.stored_user(name("user_id", user_id)?.unwrap_or_default());
        let limit = in_range("limit", limit, 1, MAX_HISTORY)?.unwrap_or(50);
        Ok(Self { scope: caller.scope.clone(), caller: caller.id.clone(), user_id, limit })
    }
}
