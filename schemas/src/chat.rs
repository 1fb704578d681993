//! Chat: a question about the documents, and an answer that cites its sources.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::IntoDeserializer as _};

use crate::{
    DocumentId, Problem, ProjectId, Scope,
    account::Caller,
    lenient::{self, Form, OldNames},
    search::{MAX_TOP_K, SearchRow, check_text, in_range},
    text,
};

/// Maximum number of characters of the id of a conversation or a user.
pub const MAX_NAME_CHARS: usize = 128;
/// Maximum number of turns that are read from a history in a request; the last ones are kept.
pub const MAX_HISTORY_TURNS: usize = 20;
/// Maximum number of characters that are read from one turn of such a history; the rest is cut off.
pub const MAX_TURN_CHARS: usize = 4_000;

/// `POST /chat`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChatRequest {
    /// The question, in Spanish or English: 1 to 2,000 characters (old name: `question`).
    #[schemars(length(min = 1, max = 2000), regex(pattern = r"^[^\x00]*\S[^\x00]*$"))]
    pub message: String,
    /// The conversation that this question continues; the client may choose the id. Absent: a new conversation.
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(with = "Option<String>", length(max = 128))]
    pub conversation_id: String,
    /// Old name of `conversation_id`.
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(with = "Option<String>", length(max = 128))]
    pub session_id: String,
    /// Searches only this project; null or absent: all projects that the caller may read.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub project_id: Option<ProjectId>,
    /// Maximum number of documents that the answer may use: 1 to 50, 5 when absent.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 50))]
    pub max_context_docs: Option<i64>,
    /// The earlier turns, oldest first, for clients that store conversations themselves. Ignored if turns are stored
    /// under this `conversation_id`.
    #[serde(default)]
    pub history: Option<Vec<Turn>>,
    /// The question is stored in this user's history (`GET /chat/history/{user_id}`); absent: the caller's own account.
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(with = "Option<String>", length(max = 128))]
    pub user_id: String,
    /// Whether the answer is streamed (SSE); `Accept: text/event-stream` has the same effect.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub stream: Option<bool>,
}

impl Form for ChatRequest {
    const OLD_NAMES: OldNames = &[("question", "message")];
}

/// One turn of a conversation.
// Also the form in which language models take messages (query-worker/src/chat/prompt.rs).
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
    /// Any other role. Such turns are ignored, because clients must not instruct the assistant.
    #[serde(other)]
    System, // and what the worker itself tells a language model
}

/// Old clients also send roles in upper case.
fn speaker<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Speaker, D::Error> {
    Speaker::deserialize(lenient::text(deserializer)?.to_lowercase().into_deserializer())
}

/// A validated question for a worker. [`ChatFrame`]s may come before the reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChatQuery {
    /// The caller's projects; only the project that the request names, if it names one.
    pub scope: Scope,
    /// [`Caller::id`]: the owner of the conversation.
    pub caller: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    pub max_context_docs: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Turn>,
    /// The answer uses only this document (`/upload-and-query`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<DocumentId>,
    /// Whether the answer is sent in frames too.
    pub stream: bool,
    /// An answer to this question that is still valid. The worker gives it again instead of looking for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownAnswer>,
}

/// An answer without its conversation. It is valid for everybody who asks the same question in the same scope, until a
/// document in this scope changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KnownAnswer {
    pub answer: String,
    pub sources: Vec<Source>,
    pub context_used: String,
    pub found: bool,
    pub answered_by: String,
    /// The projects whose passages were available for the answer.
    pub projects: Vec<ProjectId>,
}

impl ChatQuery {
    /// Whether the answer depends on nothing but the question and the documents.
    pub fn stands_alone(&self) -> bool {
        self.conversation_id.is_none() && self.history.is_empty() && self.document_id.is_none()
    }

    /// Validates a request; the caller's scope limits it. The api decides about `stream`, because the `Accept` header
    /// counts too.
    pub fn new(request: ChatRequest, caller: &Caller, stream: bool) -> Result<Self, Problem> {
        let message = request.message.trim();
        check_text("message", message)?;
        let conversation_id = name("conversation_id", &request.conversation_id)?;
        let session_id = name("session_id", &request.session_id)?;
        let user_id = name("user_id", &request.user_id)?;
        let max_context_docs = in_range("max_context_docs", request.max_context_docs, 1, MAX_TOP_K.into())?;
        Ok(Self {
            scope: caller.scope.narrowed(request.project_id.as_ref()),
            caller: caller.id.clone(),
            message: message.to_owned(),
            conversation_id: conversation_id.or(session_id),
            user_id: user_id.map(|id| caller.stored_user(id)).or_else(|| caller.user_id.clone()),
            max_context_docs: max_context_docs.unwrap_or(5),
            history: last_turns(request.history.unwrap_or_default()),
            document_id: None,
            stream,
            known: None,
        })
    }

    /// A question about one document (`POST /upload-and-query`).
    pub fn about(question: &str, document: &DocumentId, caller: &Caller) -> Result<Self, Problem> {
        check_text("question", question.trim())?;
        // No project is named: the records of an import may be in other projects than the import.
        let request = ChatRequest { message: question.to_owned(), ..ChatRequest::default() };
        let query = Self::new(request, caller, false)?;
        Ok(Self { max_context_docs: 1, document_id: Some(document.clone()), ..query })
    }
}

/// A piece of the answer, sent as soon as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChatFrame {
    pub text: String,
    /// The language model or the worker failed: discard all earlier pieces, the answer begins again here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
}

/// The answer to a chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChatReply {
    pub question: String,
    /// Cites its sources as `[n]`. If the documents do not answer the question, it says so and cites nothing.
    pub answer: String,
    /// The sources that the answer cites, in the order of the citations; empty if nothing was found.
    pub sources: Vec<Source>,
    /// The client sends it with its next question to continue this conversation.
    pub conversation_id: String,
    /// The same as `conversation_id`, under its old name.
    pub session_id: String,
    /// The passages that were available for the answer, one per line: title, revision, page.
    pub context_used: String,
    /// Whether the documents answer the question.
    pub found: bool,
    /// `extractive` (sentences are quoted unchanged) or the name of the language model.
    pub answered_by: String,
    /// A note for the reader of the answer, for example that the language model was unavailable; usually empty.
    #[serde(default)]
    pub notice: String,
    /// From the worker to the api only, if the answer may be given again: the projects whose passages were available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub reusable: Option<Vec<ProjectId>>,
}

/// A search row that an answer cites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The number `n` of the citation `[n]` in the answer.
    pub citation: u32,
    #[serde(flatten)]
    pub row: SearchRow,
}

/// `POST /upload-and-query`: the document is searchable, and this is the answer to the question about it.
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
        let ChatReply { question, answer, sources, conversation_id, found, answered_by, notice, .. } = reply;
        Self { question, answer, sources, conversation_id, found, answered_by, notice }
    }
}

/// Checks an id of a conversation or a user that a client chose; an empty one is None.
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
