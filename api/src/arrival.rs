//! The body of a small request comes before the request takes one of the permits: whoever sends half of it holds a
//! connection and nothing else. How much is on its way at the same time is bounded, for each address and for all.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::Response,
};
use futures::StreamExt as _;
use http_body::Body as _;
use schemas::{Problem, ProblemKind, messages};
use tokio::time::timeout;

use crate::{
    extractors::may_be_json, linger, middleware::is_known, shares::Shares, throttle::client_address,
};

/// Largest JSON body.
pub const MAX_BODY: usize = 1024 * 1024;

/// A body counts once for each started unit of its length.
const UNIT: usize = 64 * 1024;

#[derive(Clone)]
pub struct Arrivals {
    pub bodies: Shares,
    /// The time that a whole body may take.
    pub patience: Duration,
    pub trusted_proxies: usize,
}

/// Hands a request on when its JSON body is here. Files are not waited for: they go piece by piece to the object store.
pub async fn receive(State(arrivals): State<Arrivals>, request: Request, next: Next) -> Response {
    let waited_for = *request.method() == Method::POST
        && is_known(&request)
        && may_be_json(request.headers())
        && !request.body().is_end_stream();
    if !waited_for {
        return next.run(request).await;
    }
    let length = length(request.headers()).unwrap_or(MAX_BODY);
    if length > MAX_BODY {
        return linger::refuse(request, too_large());
    }
    let address = client_address(&request, arrivals.trusted_proxies);
    let share = match arrivals.bodies.take(&address, 1 + length / UNIT) {
        Ok(share) => share,
        Err(problem) => return linger::refuse(request, problem),
    };
    let (parts, mut body) = request.into_parts();
    let read = timeout(arrivals.patience, whole(&mut body)).await;
    drop(share);
    let problem = match read {
        Ok(Ok(bytes)) => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(problem)) => problem,
        Err(_) => messages::http::stalled().problem(ProblemKind::RequestTimeout),
    };
    linger::refuse(Request::from_parts(parts, body), problem)
}

async fn whole(body: &mut Body) -> Result<Vec<u8>, Problem> {
    let mut whole = Vec::new();
    let mut pieces = std::mem::take(body).into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| messages::http::body_incomplete().problem(ProblemKind::BadRequest))?;
        whole.extend_from_slice(&piece);
        if whole.len() > MAX_BODY {
            *body = Body::from_stream(pieces);
            return Err(too_large());
        }
    }
    Ok(whole)
}

fn too_large() -> Problem {
    messages::http::too_large("1 MiB").problem(ProblemKind::TooLarge)
}

/// `None` for a body whose length its client does not say.
fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
