//! `POST /feedback`.

use aide::{
    axum::{ApiRouter, routing::post_with},
    transform::TransformOperation,
};
use schemas::{
    ProblemKind::Unavailable,
    feedback::{FeedbackRequest, FeedbackSaved, SaveFeedback},
};
use serde_json::json;

use crate::{
    App, Error,
    extractors::{Caller, Json, Lookup},
    openapi::{Describe as _, JSON_BODY},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/feedback", post_with(save, document))
}

async fn save(
    lookup: Lookup,
    caller: Caller,
    Json(request): Json<FeedbackRequest>,
) -> Result<axum::Json<FeedbackSaved>, Error> {
    Ok(axum::Json(lookup.ask(&SaveFeedback::new(request, &caller.account)?).await?))
}

fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("feedback", "chat", "Says how good the answers of a conversation were.")
        .example(json!({ "session_id": "conv_7", "rating": 5, "comment": "Justo lo que buscaba." }))
        .refuses(&[Unavailable])
        .refuses(&JSON_BODY)
}
