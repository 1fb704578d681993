//! Middleware for every request: adds an id, a span, a log line and metrics, and writes errors with the common body.

use std::{pin::pin, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures::FutureExt as _;
use platform::telemetry;
use schemas::{Problem, ProblemKind, messages, text};
use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span, field::Empty};

use crate::{
    Error, error,
    extractors::{RequestId, language},
    linger,
    metrics::Metrics,
    streams::Streams,
};

/// Paths that probes and scrapers request all the time. Logged at debug level, so that they do not hide other lines.
const QUIET: [&str; 3] = ["/health", "/ready", "/metrics"];

/// Writes the ids, log lines, metrics and error bodies. `tls`: whether this process itself speaks TLS.
pub async fn observe(
    State((metrics, tls)): State<(Arc<Metrics>, bool)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::of(request.headers());
    let language = language(request.headers());
    let endpoint = endpoint(&request).to_owned();
    let method = method_name(request.method());
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {endpoint}"),
        otel.kind = "server",
        request_id = id.0,
        method,
        path = endpoint,
        user_id = Empty,
        results_count = Empty,
        query = Empty,
    );
    telemetry::adopt(&span, |name| Some(request.headers().get(name)?.to_str().ok()?.to_owned()));
    let mut ending =
        Ending { metrics, span: span.clone(), endpoint, method, started: Instant::now(), status: None };

    let mut response = next.run(request).instrument(span).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        error::write(&mut response, &problem, language, &id.0);
    }
    set_headers(response.headers_mut(), &id, tls);
    ending.status = Some(response.status());
    response
}

/// Middleware: refuses a request when too many are in progress. Probes are never refused: a busy process is not broken.
pub async fn admit(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) if QUIET.contains(&endpoint(&request)) => next.run(request).await,
        Err(_) => linger::refuse(request, Problem::overloaded()),
    }
}

/// Middleware: shortly before a stop closes the connections, refuses every request that is not answered yet.
pub async fn end_in_time(State(streams): State<Streams>, request: Request, next: Next) -> Response {
    let mut running = pin!(next.run(request));
    tokio::select! {
        response = &mut running => response,
        // An upload ends itself at this moment, so that what its client still sends is read on. If the request was last
        // polled before this moment, it does not know of it yet, so it is polled once more.
        () = streams.last_words.cancelled() => {
            running.now_or_never().unwrap_or_else(|| Error(Problem::unavailable()).into_response())
        }
    }
}

fn endpoint(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str)
}

/// Logs and counts how a request ended, also if its client disconnected before the response.
struct Ending {
    metrics: Arc<Metrics>,
    span: Span,
    endpoint: String,
    method: &'static str,
    started: Instant,
    status: Option<StatusCode>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // 499: the status that proxies log when the client disconnected.
        let status = self.status.map_or(499, |status| status.as_u16());
        let elapsed = self.started.elapsed();
        self.metrics.request(&self.endpoint, self.method, status, elapsed);
        let duration_ms = (elapsed.as_secs_f64() * 100_000.0).round() / 100.0;
        self.span.in_scope(|| {
            if QUIET.contains(&self.endpoint.as_str()) {
                tracing::debug!(status, duration_ms, "request");
            } else {
                tracing::info!(status, duration_ms, "request");
            }
        });
    }
}

/// Removes slashes at the end of the path, which clients of the old system send, as in `/search/`. A redirect would not
/// do: many clients follow it without their body, and one to a path such as `//host` would lead to another server.
pub async fn without_last_slash(mut request: Request) -> Request {
    if let Some(uri) = shortened(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn shortened(uri: &Uri) -> Option<Uri> {
    let path = uri.path().trim_end_matches('/');
    if path.is_empty() || path == uri.path() {
        return None;
    }
    let path = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    uri::Builder::from(uri.clone()).path_and_query(path).build().ok()
}

pub async fn not_found(request: Request) -> Response {
    linger::refuse(request, messages::http::no_such_address().problem(ProblemKind::NotFound))
}

pub async fn method_not_allowed(request: Request) -> Response {
    linger::refuse(request, messages::http::method_not_allowed().problem(ProblemKind::MethodNotAllowed))
}

/// The response when a handler panicked: a bug must not look like a network failure.
pub fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!(panic = telemetry::said(&*panic), "a handler panicked");
    Error(Problem::internal()).into_response()
}

/// Adds the beginning of a search or question to the request's log line.
pub fn note_query(query: &str) {
    Span::current().record("query", text::clip(query, 50));
}

pub fn note_results(count: usize) {
    Span::current().record("results_count", count);
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn set_headers(headers: &mut HeaderMap, id: &RequestId, tls: bool) {
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, value);
    }
    let always = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let unless_set = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'self'"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in unless_set {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// The methods of this API.
pub static METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS];

/// Returns the name of a method of this API, otherwise `other`: clients must not create new values of a metric's label.
fn method_name(method: &Method) -> &'static str {
    METHODS.iter().find(|known| *known == method).map_or("other", Method::as_str)
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use tower::ServiceExt as _;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_refusal_like_any_other() {
        async fn broken() {
            panic!("a bug");
        }
        let metrics = Arc::new(Metrics::new().unwrap());
        let app = Router::new()
            .route("/broken", get(broken))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(middleware::from_fn_with_state((metrics.clone(), false), observe));
        let request = Request::builder().uri("/broken").body(Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"], "Internal error");
        assert!(!body["detail"].as_str().unwrap().contains("bug"));
        assert!(metrics.render().unwrap().contains("errors_total{endpoint=\"/broken\"} 1"));
    }
}
