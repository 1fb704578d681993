//! `GET /history/{conversation_id}`, `GET /chat/history/{user_id}`, `POST /feedback`.

use schemars::JsonSchema;
use schemas::{
    ProblemKind::BadRequest,
    feedback::{FeedbackRequest, FeedbackSaved, SaveFeedback},
    history::{ConversationHistory, History, UserHistory},
    lenient,
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    App, JsonResult,
    extractors::{Json, Lookup, Path, Query},
    middleware::note_results,
    openapi::{ApiRouter, Describe as _, JSON_BODY, TransformOperation, get_with, post_with},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/history/{conversation_id}", get_with(of_conversation, document_conversation))
        .api_route("/chat/history/{user_id}", get_with(of_user, |op| document_user(op, "userHistory")))
        .api_route(
            "/api/chat/history/{user_id}",
            get_with(of_user, |op| document_user(op, "userHistoryOldName")),
        )
        .api_route("/feedback", post_with(save_feedback, document_feedback))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct OfConversation {
    /// The conversation's id, as the client chose it or `/chat` gave it.
    #[schemars(length(min = 1, max = 128))]
    conversation_id: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct OfUser {
    /// The user's id, as it was sent with the questions.
    #[schemars(length(min = 1, max = 128))]
    user_id: String,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
struct HowMuch {
    /// How many turns, the newest: 1 to 200.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 200))]
    limit: Option<i64>,
}

async fn of_conversation(
    lookup: Lookup,
    Path(whose): Path<OfConversation>,
    Query(much): Query<HowMuch>,
) -> JsonResult<History> {
    let query = ConversationHistory::new(&whose.conversation_id, much.limit, &lookup.caller.account)?;
    Ok(noted(lookup.ask(&query).await?))
}

async fn of_user(
    lookup: Lookup,
    Path(whose): Path<OfUser>,
    Query(much): Query<HowMuch>,
) -> JsonResult<History> {
    let query = UserHistory::new(&whose.user_id, much.limit, &lookup.caller.account)?;
    Ok(noted(lookup.ask(&query).await?))
}

fn noted(history: History) -> axum::Json<History> {
    note_results(history.history.len());
    axum::Json(history)
}

fn document_conversation(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let summary =
        "What was said in one of the caller's conversations, oldest first; an unknown one is empty.";
    operation.describe("conversationHistory", "chat", summary).refuses(&[BadRequest])
}

fn document_user<'t>(operation: TransformOperation<'t>, name: &str) -> TransformOperation<'t> {
    let summary = "What the caller asked on behalf of a user, oldest first; an unknown one is empty.";
    operation.describe(name, "chat", summary).refuses(&[BadRequest])
}

async fn save_feedback(lookup: Lookup, Json(request): Json<FeedbackRequest>) -> JsonResult<FeedbackSaved> {
    Ok(axum::Json(lookup.ask(&SaveFeedback::new(request, &lookup.caller.account)?).await?))
}

fn document_feedback(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("feedback", "chat", "Says how good the answers of a conversation were.")
        .example(json!({ "session_id": "conv_7", "rating": 5, "comment": "Justo lo que buscaba." }))
        .refuses(&JSON_BODY)
}
