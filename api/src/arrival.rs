//! Receives a JSON body completely before its request counts as one of MAX_CONCURRENT_REQUESTS: a client that
//! sends only half a body occupies a connection, but keeps no other request out. The number of bodies
//! received at the same time is limited per address and in total.

use std::{str::FromStr, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt as _;
use platform::shares::Shares;
use schemas::{Problem, ProblemKind, messages};
use tokio::time::timeout;

use crate::{extractors::may_be_json, linger, throttle::client_address};

/// Maximum size of a JSON body, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// A body counts once for each started block of this many bytes towards the limits on [`Arrivals::bodies`].
const UNIT: usize = 64 * 1024;

#[derive(Clone)]
pub struct Arrivals {
    pub bodies: Shares,
    /// Maximum time for receiving a whole body.
    pub patience: Duration,
    pub trusted_proxies: usize,
}

/// Middleware: receives a JSON body completely. Other requests pass at once; an upload is streamed by its handler.
pub async fn receive(State(arrivals): State<Arrivals>, request: Request, next: Next) -> Response {
    let has_route = request.extensions().get::<MatchedPath>().is_some();
    let waited_for = *request.method() == Method::POST
        && has_route
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
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| messages::http::body_incomplete().problem(ProblemKind::BadRequest))?;
        let Ok(piece) = frame.into_data() else { continue };
        whole.extend_from_slice(&piece);
        if whole.len() > MAX_BODY {
            return Err(too_large());
        }
    }
    Ok(whole)
}

fn too_large() -> Problem {
    messages::http::too_large("1 MiB").problem(ProblemKind::TooLarge)
}

/// Returns the value of `Content-Length`; `None` when the header is missing or unreadable.
pub fn length<N: FromStr>(headers: &HeaderMap) -> Option<N> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
