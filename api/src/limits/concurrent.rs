//! Limits the calls of one caller in progress in this process: very many at once must not make all others wait.

use axum::{extract::Request, middleware::Next, response::Response};
use platform::shares::Shares;

use super::{Class, Limits};
use crate::{extractors::Caller, linger, server::holding};

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

/// The calls in progress of each caller; `None` for no limit.
#[derive(Clone)]
pub struct Concurrent {
    searches: Option<Shares>,
    chats: Option<Shares>,
}

impl Concurrent {
    pub fn new(config: Config) -> Self {
        let shares = |most: usize| (most > 0).then(|| Shares::new(usize::MAX, most));
        Self { searches: shares(config.max_caller_searches), chats: shares(config.max_caller_chats) }
    }
}

impl Limits {
    /// Passes a call on, or refuses it if its caller already has too many calls of this class in progress.
    pub(super) async fn pass(&self, class: Class, caller: &Caller, request: Request, next: Next) -> Response {
        let shares = match class {
            Class::Search => self.concurrent.searches.as_ref(),
            Class::Chat => self.concurrent.chats.as_ref(),
            _ => None,
        };
        // With AUTH=off, callers without a token have no limit: all of them may have the address of this machine.
        let shares = shares.filter(|_| !caller.is_known_by_address());
        match shares.map(|shares| shares.take(&caller.account.id, 1)).transpose() {
            Ok(share) => next.run(request).await.map(|body| holding(body, share)),
            Err(problem) => {
                self.refused.with_label_values(&[class.name(), "concurrent"]).inc();
                linger::refuse(request, problem)
            }
        }
    }
}
