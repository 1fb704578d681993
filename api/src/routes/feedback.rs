//! `POST /feedback`.

use aide::{
    axum::{ApiRouter, routing::post_with},
    transform::TransformOperation,
};
use axum::extract::State;
use schemas::{
    ProblemKind::{BadRequest, RequestTimeout, TooLarge, Unavailable, UnsupportedMediaType},
    feedback::{FeedbackRequest, FeedbackSaved, SaveFeedback},
};

use super::documents::Lookup;
use crate::{
    App, Error,
    caller::Caller,
    docs,
    extract::{Json, RequestId},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/feedback", post_with(save, document))
}

async fn save(
    State(lookup): State<Lookup>,
    caller: Caller,
    id: RequestId,
    Json(request): Json<FeedbackRequest>,
) -> Result<axum::Json<FeedbackSaved>, Error> {
    let feedback = SaveFeedback::new(request, caller.account())?;
    Ok(axum::Json(lookup.ask(&id, &feedback).await?))
}

fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation =
        operation.id("feedback").tag("chat").summary("Says how good the answers of a conversation were.");
    let operation = docs::example(
        operation,
        serde_json::json!({ "session_id": "conv_7", "rating": 5, "comment": "Justo lo que buscaba." }),
    );
    docs::refuses(operation, &[BadRequest, RequestTimeout, TooLarge, UnsupportedMediaType, Unavailable])
}
