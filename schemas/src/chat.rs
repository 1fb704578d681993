//! Chat: a question about the documents, and an answer that says where it comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::IntoDeserializer as _};

use crate::{
    DocumentId, Problem, ProjectId, Scope,
    account::Caller,
    lenient::{self, Form},
    search::{MAX_TOP_K, SearchRow, check_text, in_range},
    text,
};

pub const DEFAULT_CONTEXT_DOCS: u8 = 5;
/// The longest id of a conversation or a user, in characters.
pub const MAX_NAME_CHARS: usize = 128;
/// Turns of a sent history that are read: the last ones.
pub const MAX_HISTORY_TURNS: usize = 20;
/// Characters of one turn of a sent history that are read: the first ones.
pub const MAX_TURN_CHARS: usize = 4_000;

/// `POST /chat`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChatRequest {
    /// The question, in Spanish or English: 1 to 2,000 characters (old name: `question`).
    #[schemars(length(min = 1, max = 2000), regex(pattern = r"^[^\x00]*\S[^\x00]*$"))]
    pub message: String,
    /// The conversation this goes on with; the client may choose it. Absent: a new one.
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(with = "Option<String>", length(max = 128))]
    pub conversation_id: String,
    /// Old name of `conversation_id`.
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(with = "Option<String>", length(max = 128))]
    pub session_id: String,
    /// Only this project; null or absent: all that the caller may read.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub project_id: Option<ProjectId>,
    /// How many documents the answer may draw on: 1 to 50, 5 when absent.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 50))]
    pub max_context_docs: Option<i64>,
    /// What was said before, oldest first, for clients that keep conversations themselves. A stored conversation of
    /// this id goes before it.
    #[serde(default)]
    pub history: Option<Vec<Turn>>,
    /// Whose history this goes into (`GET /chat/history/{user_id}`); absent: the caller's own account.
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(with = "Option<String>", length(max = 128))]
    pub user_id: String,
    /// Whether the answer is streamed (SSE); `Accept: text/event-stream` says the same.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub stream: Option<bool>,
}

impl Form for ChatRequest {
    const OLD_NAMES: &'static [(&'static str, &'static str)] = &[("question", "message")];
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    #[serde(deserialize_with = "speaker")]
    pub role: Speaker,
    #[serde(default, deserialize_with = "lenient::text")]
    pub content: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    #[serde(alias = "human")]
    User,
    #[serde(alias = "bot", alias = "ai")]
    Assistant,
    /// Not read, nor is any other role: what the assistant does is not the client's to set.
    #[serde(other)]
    System,
}

/// Roles have been written in upper case too.
fn speaker<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Speaker, D::Error> {
    Speaker::deserialize(lenient::text(deserializer)?.to_lowercase().into_deserializer())
}

/// A checked question on its way to a worker. The reply may be preceded by [`ChatFrame`]s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChatQuery {
    /// The caller's projects, already narrowed to the one it named.
    pub scope: Scope,
    /// [`Caller::id`]: whose conversation this is.
    pub caller: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    pub max_context_docs: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Turn>,
    /// The answer draws on this one document alone (`/upload-and-query`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<DocumentId>,
    /// Whether somebody reads frames.
    pub stream: bool,
}

impl ChatQuery {
    /// Checks a request; the caller's scope bounds it. `stream` of the request is the api's to decide, from the
    /// `Accept` header too.
    pub fn new(request: ChatRequest, caller: &Caller, stream: bool) -> Result<Self, Problem> {
        let message = request.message.trim();
        check_text("message", message)?;
        let conversation_id = name("conversation_id", &request.conversation_id)?;
        let session_id = name("session_id", &request.session_id)?;
        let user_id = name("user_id", &request.user_id)?;
        Ok(Self {
            scope: caller.scope.narrowed(request.project_id.as_ref()),
            caller: caller.id.clone(),
            message: message.to_owned(),
            conversation_id: conversation_id.or(session_id),
            user_id: user_id.or_else(|| caller.user_id.clone()),
            max_context_docs: in_range(
                "max_context_docs",
                request.max_context_docs,
                1,
                i64::from(MAX_TOP_K),
            )?
            .unwrap_or(DEFAULT_CONTEXT_DOCS),
            history: last_turns(request.history.unwrap_or_default()),
            document_id: None,
            stream,
        })
    }

    /// A question to one document alone (`POST /upload-and-query`).
    pub fn about(
        question: &str,
        project: &ProjectId,
        document: &DocumentId,
        caller: &Caller,
    ) -> Result<Self, Problem> {
        let question = question.trim();
        check_text("question", question)?;
        Ok(Self {
            scope: caller.scope.narrowed(Some(project)),
            caller: caller.id.clone(),
            message: question.to_owned(),
            conversation_id: None,
            user_id: caller.user_id.clone(),
            max_context_docs: 1,
            history: Vec::new(),
            document_id: Some(document.clone()),
            stream: false,
        })
    }
}

/// A piece of the answer, sent as soon as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChatFrame {
    pub text: String,
    /// What was sent before is void, and the answer begins with this piece: the model failed half-way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
}

/// The answer to a chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChatReply {
    pub question: String,
    /// Cites its sources as `[n]`; says so plainly when the documents do not answer, and then cites nothing.
    pub answer: String,
    /// What the answer cites, in the order of its citations; empty when nothing was found.
    pub sources: Vec<Source>,
    /// Send it back to go on with this conversation.
    pub conversation_id: String,
    /// The same, under its old name.
    pub session_id: String,
    /// The passages that the answer could draw on, one a line: title, revision, page.
    pub context_used: String,
    /// Whether the documents answer the question.
    pub found: bool,
    /// `extractive` (sentences quoted as they stand) or the name of the language model.
    pub answered_by: String,
    /// What the reader should know about this answer, such as that the language model was away; usually empty.
    #[serde(default)]
    pub notice: String,
}

/// A search row that an answer cites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The `n` of `[n]` in the answer.
    pub citation: u32,
    #[serde(flatten)]
    pub row: SearchRow,
}

/// `POST /upload-and-query`: the document is searchable, and this is what it says about the question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UploadAndQuery {
    /// Always `success`.
    pub status: String,
    pub upload_result: crate::upload::IndexedData,
    pub query_result: QueryResult,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QueryResult {
    pub question: String,
    pub answer: String,
    pub sources: Vec<Source>,
    pub conversation_id: String,
    pub found: bool,
    pub answered_by: String,
    #[serde(default)]
    pub notice: String,
}

impl From<ChatReply> for QueryResult {
    fn from(reply: ChatReply) -> Self {
        Self {
            question: reply.question,
            answer: reply.answer,
            sources: reply.sources,
            conversation_id: reply.conversation_id,
            found: reply.found,
            answered_by: reply.answered_by,
            notice: reply.notice,
        }
    }
}

/// A conversation's or user's name as a client chose it; empty is none.
pub fn name(field: &str, raw: &str) -> Result<Option<String>, Problem> {
    text::name(field, raw, MAX_NAME_CHARS).map(|name| Some(name).filter(|name| !name.is_empty()))
}

fn last_turns(turns: Vec<Turn>) -> Vec<Turn> {
    let mut kept: Vec<Turn> = turns
        .into_iter()
        .filter(|turn| turn.role != Speaker::System && !turn.content.is_empty())
        .map(|turn| Turn {
            content: text::clip(&text::without_nul(turn.content), MAX_TURN_CHARS).to_owned(),
            ..turn
        })
        .collect();
    kept.drain(..kept.len().saturating_sub(MAX_HISTORY_TURNS));
    kept
}

#[cfg(test)]
mod tests;
