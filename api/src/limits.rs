//! Rate limits: exact across all replicas in Redis, and local to this process while Redis is unavailable.

pub mod admission;
mod concurrent;
mod local;
mod shared;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue},
    middleware::Next,
    response::Response,
};
use prometheus::IntCounterVec;
use schemas::{Problem, ProblemKind, account::CallerLimits, messages};

use crate::{extractors::Caller, linger, redis::Redis};
pub use schemas::limit::{Limit, Rule};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Maximum rate of searches of one caller: `100/minute`, `5/second`, `10/hour`, … or `off`.
    #[arg(long, env = "RATE_LIMIT_SEARCH", default_value = "100/minute")]
    pub rate_limit_search: Limit,
    /// Maximum rate of chats of one caller.
    #[arg(long, env = "RATE_LIMIT_CHAT", default_value = "30/minute")]
    pub rate_limit_chat: Limit,
    /// Maximum rate of uploads of one caller.
    #[arg(long, env = "RATE_LIMIT_UPLOAD", default_value = "10/hour")]
    pub rate_limit_upload: Limit,
    /// Maximum rate of all other requests of one caller.
    #[arg(long, env = "RATE_LIMIT_READ", default_value = "off")]
    pub rate_limit_read: Limit,
    /// Maximum rate of attempts to log in or register from one address, and to log in to one account from any address.
    #[arg(long, env = "RATE_LIMIT_LOGIN", default_value = "10/minute")]
    pub rate_limit_login: Limit,
    /// Maximum rate of unknown tokens from one address. Beyond it, no new token from that address is looked up; callers
    /// with a token that was valid before are not affected.
    #[arg(long, env = "RATE_LIMIT_TOKEN", default_value = "60/minute")]
    pub rate_limit_token: Limit,
    /// Maximum rate of requests of any kind from one address to this process, checked before all other rate limits.
    #[arg(long, env = "RATE_LIMIT_ADDRESS", default_value = "1000/second")]
    pub rate_limit_address: Limit,
    #[command(flatten)]
    pub concurrent: concurrent::Config,
}

/// A group of calls that share one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    Search,
    Chat,
    Upload,
    Read,
    Login,
    Token,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Chat => "chat",
            Self::Upload => "upload",
            Self::Read => "read",
            Self::Login => "login",
            Self::Token => "token",
        }
    }
}

/// The result of checking one request against a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    pub remaining: u32,
    /// Time until the next request is allowed; zero if the checked request is allowed.
    pub retry: Duration,
    /// Time until the whole quota is available again.
    pub reset: Duration,
}

#[derive(Clone)]
pub struct Limits {
    config: Arc<Config>,
    redis: Redis,
    pub local: local::Local,
    refused: IntCounterVec,
    concurrent: concurrent::Concurrent,
}

impl Limits {
    pub fn new(config: Config, redis: Redis, refused: IntCounterVec) -> Self {
        Self {
            concurrent: concurrent::Concurrent::new(config.concurrent),
            config: Arc::new(config),
            redis,
            local: local::Local::default(),
            refused,
        }
    }

    /// Counts one request against its limit, and returns whether it is allowed.
    async fn check(&self, class: Class, rule: Rule, key: &str) -> Verdict {
        let (verdict, by) = match shared::check(&self.redis, class, rule, key).await {
            Some(verdict) => {
                // The local limiter also counts the request, so that an outage of Redis gives no caller a second quota.
                if verdict.allowed {
                    self.local.check(class, rule, key, Instant::now());
                }
                (verdict, "shared")
            }
            None => (self.local.check(class, rule, key, Instant::now()), "local"),
        };
        if !verdict.allowed {
            self.refused.with_label_values(&[class.name(), by]).inc();
        }
        verdict
    }

    /// Counts one request for something that is not a caller, such as an account to log in to, or refuses it.
    pub async fn charge(&self, class: Class, key: &str) -> Result<(), Problem> {
        let Some(rule) = self.rule(class, &CallerLimits::default()) else { return Ok(()) };
        let verdict = self.check(class, rule, key).await;
        if verdict.allowed { Ok(()) } else { Err(refusal(rule, verdict)) }
    }

    fn rule(&self, class: Class, own: &CallerLimits) -> Option<Rule> {
        let (own, configured) = match class {
            Class::Search => (own.search.as_deref(), self.config.rate_limit_search),
            Class::Chat => (own.chat.as_deref(), self.config.rate_limit_chat),
            Class::Upload => (own.upload.as_deref(), self.config.rate_limit_upload),
            Class::Read => (None, self.config.rate_limit_read),
            Class::Login => (None, self.config.rate_limit_login),
            Class::Token => (None, self.config.rate_limit_token),
        };
        // A key's limit was checked when the key was created. If it is unreadable, the configured limit applies.
        own.and_then(|own| own.parse().ok()).unwrap_or(configured).rule()
    }
}

/// Middleware: refuses a request whose caller has no quota left, or too many calls in progress. The response headers
/// say how much quota is left.
pub async fn limit(
    State((limits, class)): State<(Limits, Class)>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    // Attempts to guess a password come from an address, whatever identity the client claims.
    let key = if class == Class::Login { &caller.address } else { caller.account.id.as_str() };
    let Some(rule) = limits.rule(class, &caller.account.limits) else {
        return limits.pass(class, &caller, request, next).await;
    };
    let verdict = limits.check(class, rule, key).await;
    let mut response = if verdict.allowed {
        limits.pass(class, &caller, request, next).await
    } else {
        linger::refuse(request, refusal(rule, verdict))
    };
    describe(response.headers_mut(), rule, verdict.remaining, verdict.reset);
    response
}

fn refusal(rule: Rule, verdict: Verdict) -> Problem {
    let seconds = u32::try_from(seconds(verdict.retry).max(1)).unwrap_or(u32::MAX);
    messages::http::limit_reached(&rule.in_spanish(), &rule.in_english(), seconds)
        .problem(ProblemKind::RateLimited)
        .retry_after(seconds)
}

/// Adds the headers that say how much quota is left.
pub fn describe(headers: &mut HeaderMap, rule: Rule, remaining: u32, reset: Duration) {
    headers.insert("ratelimit-limit", HeaderValue::from(rule.count));
    headers.insert("ratelimit-remaining", HeaderValue::from(remaining));
    headers.insert("ratelimit-reset", HeaderValue::from(seconds(reset)));
    if let Ok(policy) = HeaderValue::from_str(&format!("{};w={}", rule.count, rule.seconds)) {
        headers.insert("ratelimit-policy", policy);
    }
}

/// Rounds up to whole seconds, so that a client that waits this long is not too early.
fn seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
