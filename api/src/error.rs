//! Converts a [`Problem`] to an HTTP response with the common error body.

use aide::{OperationOutput, generate::GenContext, openapi};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::{
    Problem, ProblemKind,
    problem::{self, UiLanguage},
};

/// The error of a handler. [`crate::middleware`], which knows the language and the request's id, writes its body.
#[derive(Debug)]
pub struct Error(pub Problem);

pub type JsonResult<T> = Result<axum::Json<T>, Error>;

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = status(self.0.kind).into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// Each route documents its error responses with [`crate::openapi::Describe::refuses`].
impl OperationOutput for Error {
    type Inner = problem::Body;

    fn operation_response(_: &mut GenContext, _: &mut openapi::Operation) -> Option<openapi::Response> {
        None
    }
}

/// Writes a problem into a response. Headers that the response already has are kept.
pub fn write(response: &mut Response, problem: &Problem, language: UiLanguage, request_id: &str) {
    let body = body(problem, language, request_id);
    *response.status_mut() = status(problem.kind);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let language = match language {
        UiLanguage::Spanish => "es",
        UiLanguage::English => "en",
    };
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.kind == ProblemKind::RateLimited {
        // Limits that are no rates, such as that of calls at the same time, have not added these headers themselves.
        let reset = problem.retry_after.unwrap_or(1);
        headers.entry("ratelimit-remaining").or_insert(HeaderValue::from(0_u32));
        headers.entry("ratelimit-reset").or_insert(HeaderValue::from(reset));
    }
    if problem.kind == ProblemKind::Unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    *response.body_mut() = Body::from(serde_json::to_vec(&body).unwrap_or_default());
}

pub fn body(problem: &Problem, language: UiLanguage, request_id: &str) -> problem::Body {
    problem::Body {
        error: problem.kind.title().to_owned(),
        detail: problem.detail.in_language(language).to_owned(),
        request_id: request_id.to_owned(),
    }
}

fn status(kind: ProblemKind) -> StatusCode {
    StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
