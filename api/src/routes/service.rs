//! `/health`, `/ready`, `/metrics`, `/openapi.json`, `/docs`.

use std::sync::{Arc, LazyLock};

use aide::scalar::Scalar;
use axum::{
    extract::State,
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use platform::health::Readiness;
use schemas::Problem;

use crate::{
    App, Error,
    metrics::Metrics,
    openapi::{ApiRouter, Describe as _, Documents, TransformOperation, get_with},
};

const JSON: &[&str] = &["application/json"];

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/health", get_with(health, document_health))
        .api_route("/ready", get_with(platform::health::ready, document_ready))
        .api_route("/metrics", get_with(metrics, document_metrics))
        .api_route("/openapi.json", get_with(openapi, document_openapi))
        .api_route("/asyncapi.json", get_with(asyncapi, document_asyncapi))
        .route("/docs", get(page))
}

async fn health() -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({"status": "ok"}))
}

async fn metrics(State(metrics): State<Arc<Metrics>>) -> Result<String, Error> {
    metrics.render().map_err(|error| {
        tracing::error!(%error, "rendering metrics");
        Problem::internal().into()
    })
}

async fn openapi(State(documents): State<Documents>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], documents.openapi).into_response()
}

async fn asyncapi(State(documents): State<Documents>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], documents.asyncapi).into_response()
}

/// The page with the API's documentation, where users can also try the calls. It loads nothing from other servers.
async fn page() -> impl IntoResponse {
    const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; \
                          img-src 'self' data:; font-src data:; connect-src 'self'; frame-ancestors 'self'";
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        Scalar::new("/openapi.json")
            .with_title("acorag API")
            .html()
            .replace("theme: 'purple',", "theme: 'default', withDefaultFonts: false,")
    });
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE.as_str()))
}

fn document_health(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation = operation.describe("health", "service", "Whether this process is alive.");
    operation.answers(200, "It is: `{\"status\":\"ok\"}`.", JSON)
}

fn document_ready(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("ready", "service", "Whether it can serve, with each dependency by name.")
        .replies::<200, axum::Json<Readiness>>("It can.")
        .replies::<503, axum::Json<Readiness>>("Not now.")
}

fn document_metrics(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation = operation.describe("metrics", "service", "Numbers for Prometheus.");
    operation.answers(200, "Prometheus' text form.", &["text/plain"])
}

fn document_openapi(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation.describe("openapi", "service", "This description.").answers(200, "OpenAPI 3.1.", JSON)
}

fn document_asyncapi(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let summary = "The same for event producers and consumers: subjects, headers and messages on NATS.";
    operation.describe("asyncapi", "service", summary).answers(200, "AsyncAPI 3.0.", JSON)
}
