//! Refusing a request whose body is still coming: the answer goes out at once, and what the client sends meanwhile is read
//! and thrown away for a moment. A client that is still sending would otherwise see a broken connection and not the answer.
//! Nothing is held meanwhile but the connection.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Version, header},
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use http_body::Body as _;
use schemas::Problem;

use crate::Error;

/// How much of a refused request is read, and for how long.
const MOST: u64 = 128 * 1024 * 1024;
const TIME: Duration = Duration::from_secs(5);

/// The refusal of a request that nobody reads to its end. The connection ends with it.
pub fn refuse(request: Request, problem: Problem) -> Response {
    let closes = request.version() < Version::HTTP_2 && !request.body().is_end_stream();
    let (parts, body) = request.into_parts();
    read_on(&parts.headers, body);
    let mut response = Error(problem).into_response();
    if closes {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads a body that nobody needs, in the background.
pub fn read_on(headers: &HeaderMap, body: Body) {
    // Such a client waits for our permission to send the body, and does not get it.
    if body.is_end_stream() || headers.contains_key(header::EXPECT) {
        return;
    }
    let mut pieces = body.into_data_stream();
    for_a_moment(async move {
        let mut left = MOST;
        while let Some(Ok(piece)) = pieces.next().await
            && left > 0
        {
            left = left.saturating_sub(piece.len() as u64);
        }
    });
}

/// Runs something that reads on, until its time is over.
pub fn for_a_moment(reading: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(tokio::time::timeout(TIME, reading));
}
