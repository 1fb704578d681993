//! Limits the calls of one caller in progress in this process: very many at once must not make all others wait.

use axum::{
    body::Body,
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::Response,
};
use futures::StreamExt as _;
use prometheus::IntCounterVec;

use super::Class;
use crate::{extractors::Caller, linger, shares::Shares};

#[derive(Debug, Clone, Copy, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Maximum number of searches of one caller in progress at the same time, in each API process; 0 for no limit. With
    /// AUTH=off, callers without a token have no limit.
    #[arg(long, env = "MAX_CALLER_SEARCHES", default_value_t = 32)]
    pub max_caller_searches: usize,
    /// Maximum number of chats of one caller in progress at the same time, in each API process; 0 for no limit.
    #[arg(long, env = "MAX_CALLER_CHATS", default_value_t = 4)]
    pub max_caller_chats: usize,
}

/// The calls of one class.
#[derive(Clone)]
pub struct Concurrent {
    class: Class,
    /// `None` for no limit.
    shares: Option<Shares>,
    refused: IntCounterVec,
}

impl Concurrent {
    pub fn new(class: Class, most: usize, refused: IntCounterVec) -> Self {
        Self { class, shares: (most > 0).then(|| Shares::new(usize::MAX, most)), refused }
    }
}

/// Middleware: refuses a call if its caller already has too many calls of this class in progress.
pub async fn bound(
    State(concurrent): State<Concurrent>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    // With AUTH=off, callers without a token have no limit: all of them may have the address of this machine.
    let shares = concurrent.shares.filter(|_| !caller.is_known_by_address());
    let Some(shares) = shares else { return next.run(request).await };
    let share = match shares.take(&caller.account.id, 1) {
        Ok(share) => share,
        Err(problem) => {
            concurrent.refused.with_label_values(&[concurrent.class.name(), "concurrent"]).inc();
            return linger::refuse(request, problem);
        }
    };
    let response = next.run(request).await;
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_stream {
        return response;
    }
    // The stream is still being written. The share is released when the body is dropped.
    response.map(|body| Body::from_stream(body.into_data_stream().inspect(move |_| _ = &share)))
}
