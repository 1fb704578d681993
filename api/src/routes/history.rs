//! `GET /history/{conversation_id}` and `GET /chat/history/{user_id}`.

use aide::{
    axum::{ApiRouter, routing::get_with},
    transform::TransformOperation,
};
use axum::extract::State;
use schemars::JsonSchema;
use schemas::{
    ProblemKind::BadRequest,
    history::{ConversationHistory, History, UserHistory},
    lenient,
};
use serde::Deserialize;

use super::documents::Lookup;
use crate::{
    App, Error,
    caller::Caller,
    docs, edge,
    extract::{Path, Query, RequestId},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/history/{conversation_id}", get_with(of_conversation, document_conversation))
        .api_route(
            "/chat/history/{user_id}",
            get_with(of_user, |operation| document_user(operation, "userHistory")),
        )
        .api_route(
            "/api/chat/history/{user_id}",
            get_with(of_user, |operation| document_user(operation, "userHistoryOldName")),
        )
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
    State(lookup): State<Lookup>,
    caller: Caller,
    id: RequestId,
    Path(whose): Path<OfConversation>,
    Query(much): Query<HowMuch>,
) -> Result<axum::Json<History>, Error> {
    let query = ConversationHistory::new(&whose.conversation_id, much.limit, caller.account())?;
    let history = lookup.ask(&id, &query).await?;
    edge::note_results(history.history.len());
    Ok(axum::Json(history))
}

async fn of_user(
    State(lookup): State<Lookup>,
    caller: Caller,
    id: RequestId,
    Path(whose): Path<OfUser>,
    Query(much): Query<HowMuch>,
) -> Result<axum::Json<History>, Error> {
    let query = UserHistory::new(&whose.user_id, much.limit, caller.account())?;
    let history = lookup.ask(&id, &query).await?;
    edge::note_results(history.history.len());
    Ok(axum::Json(history))
}

fn document_conversation(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation = operation.id("conversationHistory").tag("chat").summary(
        "What was said in one of the caller's conversations, oldest first; an unknown one is empty.",
    );
    docs::refuses(operation, &[BadRequest])
}

fn document_user<'t>(operation: TransformOperation<'t>, name: &str) -> TransformOperation<'t> {
    let operation = operation
        .id(name)
        .tag("chat")
        .summary("What the caller asked on behalf of a user, oldest first; an unknown one is empty.");
    docs::refuses(operation, &[BadRequest])
}
