//! Identifies the caller: by a token, or with `AUTH=off` also by the address alone.

mod jwt;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::Response,
};
use platform::{lock::lock, nats::request::Requester};
use schemas::{
    Problem, ProblemKind, ProjectId, Scope,
    account::{self, Role, VerifyToken, refusal},
    messages,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::{
    expiring::Expiring,
    extractors::{Caller, RequestId},
    limits::{Class, Limits},
    linger,
    metrics::Metrics,
    throttle::client_address,
};
use jwt::Issuer;

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// `required`: every call needs a token. `off`: every client may do everything; only if BIND is a loopback address.
    #[arg(long, env = "AUTH", value_enum, default_value_t = Auth::Required)]
    pub auth: Auth,
    /// Number of your own proxies in front of the API; each adds one address to X-Forwarded-For. Addresses further left
    /// in that header are ignored, because the client could have invented them.
    #[arg(long, env = "TRUSTED_PROXIES", default_value_t = 0)]
    pub trusted_proxies: usize,
    #[command(flatten)]
    pub jwt: jwt::Config,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Auth {
    Off,
    Required,
}

impl Config {
    /// Refuses `AUTH=off` if other machines can reach the port: without tokens, every client may do everything.
    pub fn check(&self, bind: IpAddr) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.auth == Auth::Required || bind.is_loopback(),
            "AUTH=off works only on a loopback address, and BIND is {bind}: set AUTH=required, or BIND=127.0.0.1"
        );
        Ok(())
    }
}

#[derive(Clone)]
pub struct Authenticator {
    config: Arc<Config>,
    issuer: Option<Issuer>,
    requester: Requester,
    metrics: Arc<Metrics>,
    limits: Limits,
    verified: Arc<Mutex<HashMap<[u8; 32], Verified>>>,
    /// Addresses that sent too many unknown tokens. For some time, their tokens are not looked up, except tokens that
    /// were valid before. A token of 256 bits cannot be guessed, but each attempt would cost a worker one query.
    blocked: Arc<Expiring>,
}

/// The result of a token's lookup, shared by all requests that wait for it.
struct Verified {
    /// When the lookup was sent. Its answer may still accept a token that was revoked after this time.
    asked: Instant,
    /// Whether the token was valid in the most recent earlier lookup that a worker answered.
    good: bool,
    outcome: Outcome,
}

/// Who the caller is, or why that is not known.
type Identified = Result<Arc<account::Caller>, Problem>;

type Outcome = Arc<OnceCell<Identified>>;

impl Verified {
    fn new(asked: Instant, good: bool) -> Self {
        Self { asked, good, outcome: Outcome::default() }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.asked) < FRESH
    }

    fn was_good(&self) -> bool {
        match self.outcome.get() {
            Some(Ok(_)) => true,
            Some(Err(problem)) if problem.kind == ProblemKind::Unauthorized => false,
            _ => self.good,
        }
    }
}

/// How long the result of a lookup is used. A revoked key must stop working within one second, in every process.
const FRESH: Duration = Duration::from_millis(800);
const PATIENCE: Duration = Duration::from_secs(5);
/// Maximum number of cached lookups, and of blocked addresses.
const MOST: usize = 10_000;

impl Authenticator {
    pub async fn new(
        config: Config,
        requester: Requester,
        metrics: Arc<Metrics>,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let issuer = Issuer::new(&config.jwt).await?;
        let (verified, blocked) = (Arc::default(), Arc::new(Expiring::new(MOST)));
        Ok(Self { config: Arc::new(config), issuer, requester, metrics, limits, verified, blocked })
    }

    /// Waits until the caller who sent these headers may no longer read this project.
    pub async fn revoked(self, id: RequestId, headers: HeaderMap, address: Arc<str>, project: ProjectId) {
        // `identify` may use a lookup that is 800 ms old. With 200 ms more, a revocation is noticed within a second.
        // A JWT has no lookup: its signature is verified each time, which takes longer than reading a lookup. So that is
        // done only as often as a lookup is renewed.
        let is_jwt = self.issuer.is_some() && token(&headers).is_some_and(Issuer::may_be);
        let pause = if is_jwt { FRESH } else { FRESH / 4 };
        loop {
            tokio::time::sleep(pause).await;
            match self.identify(&id, &headers, &address).await {
                Ok(known) if !known.scope.allows(&project) => return,
                Err(problem) if problem.kind == ProblemKind::Unauthorized => return,
                // Without an answer of a worker, there is no evidence that the token was revoked.
                _ => {}
            }
        }
    }

    async fn identify(&self, id: &RequestId, headers: &HeaderMap, address: &str) -> Identified {
        let token = token(headers);
        if self.config.auth == Auth::Off {
            // Every client may do everything; a valid token still says who the client is.
            if let Some(token) = token
                && let Ok(known) = self.verify(id, token, address).await
            {
                let known = Arc::unwrap_or_clone(known);
                return Ok(Arc::new(account::Caller { role: Role::Admin, scope: Scope::All, ..known }));
            }
            return Ok(Caller::of_address(address.to_owned(), Role::Admin, Scope::All).account);
        }
        let token = token.ok_or_else(refusal::unauthorized)?;
        match &self.issuer {
            Some(issuer) if Issuer::may_be(token) => issuer.verify(token).await.map(Arc::new),
            _ => self.verify(id, token, address).await,
        }
    }

    /// Removes the cached lookup of the token in these headers, because the token has just been revoked.
    pub fn forget(&self, headers: &HeaderMap) {
        if let Some(token) = token(headers) {
            lock(&self.verified).remove(&digest(token));
        }
    }

    async fn verify(&self, id: &RequestId, token: &str, address: &str) -> Identified {
        let digest = digest(token);
        let outcome = self.lookup(digest, address, Instant::now())?;
        // All requests with this token wait for the same lookup.
        outcome
            .get_or_init(|| async {
                let query = VerifyToken { token_sha256: schemas::text::hex(digest) };
                let outcome = self.requester.ask(&id.context(), &query, PATIENCE).await.map(Arc::new);
                if outcome.as_ref().is_err_and(|problem| problem.kind == ProblemKind::Unauthorized)
                    && let Err(refusal) = self.limits.charge(Class::Token, address).await
                {
                    let (now, seconds) = (Instant::now(), refusal.retry_after.unwrap_or(1));
                    let until = now + Duration::from_secs(seconds.into());
                    self.blocked.insert(address, now, until);
                }
                outcome
            })
            .await
            .clone()
    }

    /// Returns the latest lookup of a token if it is fresh, else a new one. From a blocked address, a token that is not
    /// known to be valid is refused before it takes the place of another lookup.
    fn lookup(&self, digest: [u8; 32], address: &str, now: Instant) -> Result<Outcome, Problem> {
        let mut verified = lock(&self.verified);
        let latest = verified.get(&digest);
        // A blocked address gets it too: of all streams that follow documents with one token, only one makes the
        // lookup that finds the token revoked, and all must end.
        if let Some(latest) = latest.filter(|latest| latest.is_fresh(now)) {
            return Ok(latest.outcome.clone());
        }
        let good = latest.is_some_and(Verified::was_good);
        if !good && let Some(until) = self.blocked.get(address, now) {
            let seconds = u32::try_from((until - now).as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            let refusal = messages::http::too_many_unknown_keys(seconds).problem(ProblemKind::RateLimited);
            return Err(refusal.retry_after(seconds));
        }
        make_room(&mut verified, now);
        let next = Verified::new(now, good);
        let outcome = next.outcome.clone();
        verified.insert(digest, next);
        Ok(outcome)
    }
}

/// Removes lookups if there are too many. Those of valid tokens are kept longest, also stale ones: without them, a block
/// of the address would affect callers whose tokens were valid before.
fn make_room(verified: &mut HashMap<[u8; 32], Verified>, now: Instant) {
    let is_fresh = |entry: &Verified| entry.is_fresh(now);
    let rules: [&dyn Fn(&Verified) -> bool; 4] =
        [&|entry| entry.was_good() || is_fresh(entry), &Verified::was_good, &is_fresh, &|_| false];
    for is_kept in rules {
        if verified.len() >= MOST {
            verified.retain(|_, entry| is_kept(entry));
        }
    }
}

/// Middleware: identifies the caller and adds it to the request. Refuses the request if that fails.
pub async fn authenticate(
    State(authenticator): State<Authenticator>,
    id: RequestId,
    mut request: Request,
    next: Next,
) -> Response {
    let address = client_address(&request, authenticator.config.trusted_proxies);
    let account = match authenticator.identify(&id, request.headers(), &address).await {
        Ok(account) => account,
        Err(problem) => return linger::refuse(request, problem),
    };
    tracing::Span::current().record("user_id", account.user_id.as_deref().unwrap_or(&account.id));
    authenticator.metrics.seen(&account.id);
    request.extensions_mut().insert(Caller { account, address: address.into() });
    next.run(request).await
}

/// Middleware for calls without a token, such as a login: the caller is known by the address, and may read no project.
pub async fn anonymous(
    State(authenticator): State<Authenticator>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = client_address(&request, authenticator.config.trusted_proxies);
    let caller = Caller::of_address(address, Role::Read, Scope::Projects(Vec::new()));
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// The hash by which the workers know a token.
fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

pub fn token_sha256(headers: &HeaderMap) -> Option<String> {
    token(headers).map(|token| schemas::text::hex(digest(token)))
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    let bearer = text(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    let token = bearer.or_else(|| text(HeaderName::from_static("x-api-key"))).map(str::trim);
    token.filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_in_either_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(token(&headers), None);
        headers.insert("x-api-key", " k ".parse().unwrap());
        assert_eq!(token(&headers), Some("k"));
        headers.insert(header::AUTHORIZATION, "bearer t".parse().unwrap());
        assert_eq!(token(&headers), Some("t"));
    }

    #[test]
    fn lookups_of_valid_tokens_are_kept_longest_and_the_bound_holds() {
        let before = Instant::now();
        let now = before + FRESH;
        let left = |lookup: &dyn Fn(usize) -> Verified| {
            let tokens = (0..MOST).map(|number| (digest(&number.to_string()), lookup(number)));
            let mut verified: HashMap<_, _> = tokens.collect();
            make_room(&mut verified, now);
            verified.len()
        };
        let valid = left(&|number| Verified::new(if number < 9 { before } else { now }, number < 9));
        assert_eq!(valid, 9, "unknown tokens go first, though they are fresh");
        let fresh = left(&|number| Verified::new(if number < 8 { now } else { before }, true));
        assert_eq!(fresh, 8);
        assert_eq!(left(&|_| Verified::new(now, true)), 0);
    }

    #[test]
    fn auth_off_stays_on_loopback() {
        let config = Config { auth: Auth::Off, trusted_proxies: 0, jwt: jwt::Config::default() };
        assert!(config.check(IpAddr::from([127, 0, 0, 1])).is_ok());
        let refusal = config.check(IpAddr::from([0, 0, 0, 0])).unwrap_err().to_string();
        assert!(refusal.contains("AUTH=required"), "{refusal}");
    }
}
