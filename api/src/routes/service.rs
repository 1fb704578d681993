//! `/health`, `/ready`, `/metrics`, `/openapi.json`, `/docs`.

use std::sync::{Arc, LazyLock};

use aide::{
    axum::{ApiRouter, routing::get_with},
    scalar::Scalar,
};
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use platform::health::{Checks, Readiness};
use schemas::Problem;

use crate::{App, Error, app::Documents, docs, metrics::Metrics};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/health",
            get_with(health, |operation| {
                let operation =
                    operation.id("health").tag("service").summary("Whether this process is alive.");
                docs::answers(operation, 200, "It is: `{\"status\":\"ok\"}`.", &["application/json"])
            }),
        )
        .api_route(
            "/ready",
            get_with(ready, |operation| {
                operation
                    .id("ready")
                    .tag("service")
                    .summary("Whether it can serve, with each dependency by name.")
                    .response_with::<200, axum::Json<Readiness>, _>(|response| {
                        response.description("It can.")
                    })
                    .response_with::<503, axum::Json<Readiness>, _>(|response| {
                        response.description("Not now.")
                    })
            }),
        )
        .api_route(
            "/metrics",
            get_with(metrics, |operation| {
                let operation = operation.id("metrics").tag("service").summary("Numbers for Prometheus.");
                docs::answers(operation, 200, "Prometheus' text form.", &["text/plain"])
            }),
        )
        .api_route(
            "/openapi.json",
            get_with(openapi, |operation| {
                let operation = operation.id("openapi").tag("service").summary("This description.");
                docs::answers(operation, 200, "OpenAPI 3.1.", &["application/json"])
            }),
        )
        .api_route(
            "/asyncapi.json",
            get_with(asyncapi, |operation| {
                let operation = operation.id("asyncapi").tag("service").summary(
                    "The same for event producers and consumers: subjects, headers and messages on NATS.",
                );
                docs::answers(operation, 200, "AsyncAPI 3.0.", &["application/json"])
            }),
        )
        .route("/docs", get(page))
}

async fn health() -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({"status": "ok"}))
}

async fn ready(State(checks): State<Checks>) -> (StatusCode, axum::Json<Readiness>) {
    platform::health::ready(State(checks)).await
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

/// The page shows the description and lets one try it. It carries everything it needs: nothing is loaded from outside.
async fn page() -> Response {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        Scalar::new("/openapi.json")
            .with_title("acorag API")
            .html()
            .replace("theme: 'purple',", "theme: 'default', withDefaultFonts: false,")
    });
    let mut response = Html(PAGE.as_str()).into_response();
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src 'self' data:; \
             font-src data:; connect-src 'self'; frame-ancestors 'self'",
        ),
    );
    response
}
