//! `POST /search`.

use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse as _, Response},
};
use schemas::search::{Search, SearchRequest, SearchRow};
use serde_json::json;

use crate::{
    App, Error,
    cache::Cache,
    extractors::{Caller, Json, RequestId},
    middleware::{note_query, note_results},
    openapi::{ApiRouter, Describe as _, JSON_BODY, TransformOperation, post_with},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/search", post_with(search, document))
}

/// The parts of the search (`vector`, `keyword`) that an incomplete answer lacks.
const DEGRADED: HeaderName = HeaderName::from_static("x-acorag-degraded");
const CACHE: HeaderName = HeaderName::from_static("x-cache");

async fn search(
    State(cache): State<Cache>,
    caller: Caller,
    id: RequestId,
    Json(request): Json<SearchRequest>,
) -> Result<Response, Error> {
    note_query(&request.query);
    let search = Search::new(request, &caller.account.scope)?;
    let answer = cache.search(&id.context(), &search).await?;
    note_results(answer.entry.results);
    let headers = [(header::CONTENT_TYPE, "application/json"), (CACHE, answer.source)];
    let degraded = (!answer.degraded.is_empty()).then(|| [(DEGRADED, answer.degraded.join(","))]);
    Ok((headers, degraded, answer.entry.body).into_response())
}

fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("search", "search", "Finds the best passage of each document, best first.")
        .description(
            "By meaning and by words together, in Spanish and English; a document number or a part of one finds its \
             document. A superseded revision is never among the rows.",
        )
        .replies::<200, axum::Json<Vec<SearchRow>>>("At most one row a document.")
        .example(json!({
            "query": "espesor de la losa del segundo piso",
            "project_id": "torre-norte",
            "top_k": 10,
            "filters": { "doc_type": "Plano" },
        }))
        .header(200, CACHE.as_str(), "hit, miss, or bypass while the cache is away.")
        .header(200, DEGRADED.as_str(), "Legs of the search that were left out: vector, keyword.")
        .refuses(&JSON_BODY)
}
