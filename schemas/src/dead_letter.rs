//! Dead letters: messages that failed for good, and what an administrator does with them. The ingest workers answer these
//! queries, because only they may read the dead letters and queue jobs again.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    DocumentId, ProjectId, Scope,
    problem::{Reason, UiLanguage},
    view::Sentence,
};

names! {
    /// Where the cause of a failure lies, and so who has to act.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Cause {
        /// In the document: its owner has to correct it.
        Document = "document",
        /// In the message: whoever sent it has to correct it.
        Message = "message",
        /// In acorag or its machines: an operator has to act.
        System = "system",
    }
}

impl Cause {
    /// Returns the cause of a failure by the code of the failure's reason.
    pub fn of(code: &str) -> Self {
        match code {
            "internal" | "kills_workers" => Self::System,
            "invalid_job" | "forbidden_project" | "file_missing" | "too_many_parts" | "wrong_hash"
            | "unanswerable" => Self::Message,
            _ => Self::Document,
        }
    }
}

/// What is known of a dead letter, but for its reason: that is told in both languages or in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    /// Its number: a later letter has a higher one.
    pub id: u64,
    /// When it was given up.
    pub died_at: DateTime<Utc>,
    pub attempts: u32,
    pub cause: Cause,
    /// The project and document of its job; null when it is no job that could be queued again.
    pub project_id: Option<ProjectId>,
    pub document_id: Option<DocumentId>,
    /// The subject that it was published on.
    pub subject: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    #[serde(flatten)]
    pub facts: Facts,
    pub reason: Reason,
}

/// Dead letters of these projects, oldest first. Those that are no jobs belong to no project, so only [`Scope::All`] sees
/// them. The same holds for the other queries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListDeadLetters {
    pub scope: Scope,
    pub limit: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetters {
    pub dead_letters: Vec<DeadLetter>,
    pub next_cursor: Option<String>,
}

/// Queues the job of one dead letter again, as if it was accepted now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequeueDeadLetter {
    pub scope: Scope,
    pub id: u64,
}

/// Queues the jobs of the oldest dead letters again, a limited number at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequeueDeadLetters {
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Removes one dead letter; its document stays failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiscardDeadLetter {
    pub scope: Scope,
    pub id: u64,
}

/// `POST /dead-letters/{id}/requeue` and `DELETE /dead-letters/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settled {
    /// `requeued` or `discarded`.
    pub status: String,
    pub id: u64,
}

/// `POST /dead-letters/requeue`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requeued {
    /// How many jobs are queued again.
    pub requeued: u32,
    /// Send it back as `cursor` to go on; null when all are done.
    pub next_cursor: Option<String>,
}

/// One message that failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeadLetterView")]
pub struct View {
    #[serde(flatten)]
    pub facts: Facts,
    #[serde(flatten)]
    pub sentence: Sentence,
}

/// `GET /dead-letters`: one page, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeadLetterList")]
pub struct ListView {
    pub dead_letters: Vec<View>,
    /// Send it back as `cursor` for the next page; null on the last. A page may have less than `limit`, or nothing, and
    /// others after it.
    pub next_cursor: Option<String>,
}

impl ListView {
    pub fn new(list: DeadLetters, language: UiLanguage) -> Self {
        let view =
            |DeadLetter { facts, reason }| View { facts, sentence: Sentence::new(Some(reason), language) };
        let dead_letters = list.dead_letters.into_iter().map(view).collect();
        Self { dead_letters, next_cursor: list.next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_says_who_has_to_act() {
        for (code, cause) in [
            ("internal", Cause::System),
            ("too_many_parts", Cause::Message),
            ("wrong_hash", Cause::Message),
            ("too_large", Cause::Document),
            ("a code of a later release", Cause::Document),
        ] {
            assert_eq!(Cause::of(code), cause, "{code}");
        }
    }
}
