//! `POST /search`.

use std::sync::Arc;

use aide::{
    axum::{ApiRouter, routing::post_with},
    transform::TransformOperation,
};
use axum::{
    extract::State,
    http::{HeaderName, HeaderValue},
    response::{IntoResponse as _, Response},
};
use platform::nats::request::Requester;
use schemas::{
    ProblemKind::{BadRequest, RequestTimeout, TooLarge, UnsupportedMediaType},
    search::{Search, SearchRequest, SearchRow},
};

use crate::{
    App, Error,
    caller::Caller,
    config::Requests,
    docs, edge,
    extract::{Json, RequestId},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/search", post_with(search, document))
}

/// Legs of the search that were left out, so that a client can tell a thin answer from a poor one.
const DEGRADED: HeaderName = HeaderName::from_static("x-acorag-degraded");

async fn search(
    State(requester): State<Requester>,
    State(requests): State<Arc<Requests>>,
    caller: Caller,
    id: RequestId,
    Json(request): Json<SearchRequest>,
) -> Result<Response, Error> {
    edge::note_query(&request.query);
    let search = Search::new(request, caller.scope())?;
    let reply = requester.ask(&id.context(), &search, requests.search_patience()).await?;
    edge::note_results(reply.rows.len());
    let mut response = axum::Json(&reply.rows).into_response();
    if let Ok(legs) = HeaderValue::from_str(&reply.degraded.join(","))
        && !reply.degraded.is_empty()
    {
        response.headers_mut().insert(DEGRADED, legs);
    }
    Ok(response)
}

fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation = operation
        .id("search")
        .tag("search")
        .summary("Finds the best passage of each document, best first.")
        .description(
            "By meaning and by words together, in Spanish and English; a document number or a part of one finds its \
             document. A superseded revision is never among the rows.",
        )
        .response_with::<200, axum::Json<Vec<SearchRow>>, _>(|response| response.description("At most one row a document."));
    let operation = docs::header(
        operation,
        200,
        DEGRADED.as_str(),
        "Legs of the search that were left out: vector, keyword.",
    );
    docs::refuses(operation, &[BadRequest, RequestTimeout, TooLarge, UnsupportedMediaType])
}
