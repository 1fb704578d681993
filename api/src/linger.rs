//! Refuses a request whose body is still arriving: the response is sent at once, and for a short time the rest of the
//! body is read and discarded. Otherwise a client that is still sending would see a broken connection and not the
//! response. During this time the request holds nothing but its connection.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::Request,
    http::{HeaderMap, HeaderValue, Version, header},
    response::{IntoResponse as _, Response},
};
use futures::{Stream, StreamExt as _};
use schemas::Problem;

use crate::Error;

/// Maximum number of bytes of a refused request that are read, and maximum time for reading them.
const MOST: u64 = 128 * 1024 * 1024;
const TIME: Duration = Duration::from_secs(5);

/// Returns the error response to a request whose body is not needed. Closes an HTTP/1 connection with an unread body.
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

/// Reads and discards a body in the background.
pub fn read_on(headers: &HeaderMap, body: Body) {
    // A client that sent `Expect: 100-continue` sends its body only when it is asked for it, and nobody asks.
    if body.is_end_stream() || headers.contains_key(header::EXPECT) {
        return;
    }
    discard(body.into_data_stream(), MOST);
}

/// Reads and discards about `left` bytes in the background, for at most `TIME`.
pub fn discard(
    mut pieces: impl Stream<Item = Result<Bytes, axum::Error>> + Send + Unpin + 'static,
    mut left: u64,
) {
    tokio::spawn(tokio::time::timeout(TIME, async move {
        while let Some(Ok(piece)) = pieces.next().await
            && left > 0
        {
            left = left.saturating_sub(piece.len() as u64);
        }
    }));
}
