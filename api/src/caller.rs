//! Who calls: proven by a token, or with `AUTH=off` known by address alone.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};
use platform::nats::request::Requester;
use schemas::{
    Problem, ProblemKind, ProjectId, Scope,
    account::{self, CallerLimits, Role, VerifyToken, refusal},
};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::{
    Error,
    extract::RequestId,
    jwt::{self, Issuer},
    limits,
    metrics::Metrics,
    strangers::Strangers,
};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// `required`: every call needs a token. `off`: everybody may do everything; only on a loopback address.
    #[arg(long, env = "AUTH", value_enum, default_value_t = Auth::Required)]
    pub auth: Auth,
    /// How many proxies of yours stand in front; each adds one address to X-Forwarded-For. Whatever stands further left
    /// in that header could be the client's invention.
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
    /// Without tokens, who reaches the port owns everything: so the port must not be reachable from elsewhere.
    pub fn check(&self, bind: IpAddr) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.auth == Auth::Required || bind.is_loopback(),
            "AUTH=off works only on a loopback address, and BIND is {bind}: set AUTH=required, or BIND=127.0.0.1"
        );
        Ok(())
    }
}

/// A caller whose token was checked. Handlers take it to learn what it may see.
#[derive(Debug, Clone)]
pub struct Caller {
    known: Arc<account::Caller>,
    address: Arc<str>,
}

impl Caller {
    pub fn id(&self) -> &str {
        &self.known.id
    }

    /// Where the call came from.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// As the workers know it.
    pub fn account(&self) -> &account::Caller {
        &self.known
    }

    pub fn user_id(&self) -> Option<&str> {
        self.known.user_id.as_deref()
    }

    pub fn scope(&self) -> &Scope {
        &self.known.scope
    }

    pub fn limits(&self) -> &CallerLimits {
        &self.known.limits
    }

    pub fn require(&self, role: Role) -> Result<(), Problem> {
        if self.known.role >= role { Ok(()) } else { Err(refusal::role(role)) }
    }

    pub fn may_write(&self, project: &ProjectId) -> Result<(), Problem> {
        self.require(Role::Write)?;
        if self.scope().allows(project) { Ok(()) } else { Err(refusal::project()) }
    }

    /// Where a document goes whose upload names no project: to the only one the caller has, if it has one only.
    pub fn default_project(&self) -> ProjectId {
        match self.scope() {
            Scope::Projects(projects) if projects.len() == 1 => projects[0].clone(),
            _ => ProjectId::default_project(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a route takes a caller but does not stand behind the gate");
            Problem::internal().into()
        })
    }
}

impl OperationInput for Caller {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        operation.security = ["token", "api_key"]
            .into_iter()
            .map(|scheme| [(scheme.to_owned(), Vec::new())].into_iter().collect())
            .collect();
    }
}

/// Finds out who calls.
#[derive(Clone)]
pub struct Gate {
    config: Arc<Config>,
    issuer: Option<Issuer>,
    requester: Requester,
    metrics: Arc<Metrics>,
    strangers: Strangers,
    verified: Arc<Mutex<HashMap<[u8; 32], Verified>>>,
}

struct Verified {
    /// Before the question was sent: what is older than that is not covered by its answer.
    asked: Instant,
    /// Whether it was somebody's token when that was last known.
    good: bool,
    outcome: Outcome,
}

type Outcome = Arc<OnceCell<Result<Arc<account::Caller>, Problem>>>;

impl Verified {
    fn new(asked: Instant, good: bool) -> Self {
        Self { asked, good, outcome: Outcome::default() }
    }

    fn was_good(&self) -> bool {
        match self.outcome.get() {
            Some(Ok(_)) => true,
            Some(Err(problem)) if problem.kind == ProblemKind::Unauthorized => false,
            _ => self.good,
        }
    }
}

/// A revoked key must stop working within a second, everywhere.
const FRESH: Duration = Duration::from_millis(800);
const PATIENCE: Duration = Duration::from_secs(5);
/// Tokens remembered at most: beyond that the old ones go, however fresh.
const MOST: usize = 10_000;

impl Gate {
    pub async fn new(
        config: Config,
        requester: Requester,
        metrics: Arc<Metrics>,
        strangers: Strangers,
    ) -> anyhow::Result<Self> {
        let issuer = Issuer::new(&config.jwt).await?;
        Ok(Self { config: Arc::new(config), issuer, requester, metrics, strangers, verified: Arc::default() })
    }

    /// Ends when whoever sent these headers may not read this project any more.
    pub async fn revoked(self, id: RequestId, headers: HeaderMap, address: String, project: ProjectId) {
        loop {
            // What was looked up for others may be used; both together stay within the second.
            tokio::time::sleep(FRESH / 4).await;
            match self.identify(&id, &headers, &address).await {
                Ok(known) if !known.scope.allows(&project) => return,
                Err(problem) if problem.kind == ProblemKind::Unauthorized => return,
                // That nobody can tell is no refusal.
                _ => {}
            }
        }
    }

    fn address(&self, request: &Request) -> String {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
        client_address(request.headers(), peer, self.config.trusted_proxies)
    }

    async fn identify(
        &self,
        id: &RequestId,
        headers: &HeaderMap,
        address: &str,
    ) -> Result<Arc<account::Caller>, Problem> {
        if self.config.auth == Auth::Off {
            // Everybody may do everything; who logs in all the same is known by name.
            let known = match token(headers) {
                Some(token) => {
                    self.verify(id, token, address).await.ok().map(|known| account::Caller::clone(&known))
                }
                None => None,
            };
            let known = known.unwrap_or_else(|| of_address(address, Role::Admin, Scope::All));
            return Ok(Arc::new(account::Caller { role: Role::Admin, scope: Scope::All, ..known }));
        }
        let token = token(headers).ok_or_else(refusal::unauthorized)?;
        match &self.issuer {
            Some(issuer) if Issuer::may_be(token) => issuer.verify(token).await.map(Arc::new),
            _ => self.verify(id, token, address).await,
        }
    }

    async fn verify(
        &self,
        id: &RequestId,
        token: &str,
        address: &str,
    ) -> Result<Arc<account::Caller>, Problem> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let (outcome, good) = {
            let now = Instant::now();
            let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            if verified.len() >= MOST {
                verified.retain(|_, entry| now.duration_since(entry.asked) < FRESH);
            }
            if verified.len() >= MOST {
                verified.clear();
            }
            let entry = verified.entry(digest).or_insert_with(|| Verified::new(now, false));
            if now.duration_since(entry.asked) >= FRESH {
                *entry = Verified::new(now, entry.was_good());
            }
            (entry.outcome.clone(), entry.was_good())
        };
        if !good {
            self.strangers.check(address)?;
        }
        // Everybody with this token waits for the one question that is under way.
        outcome
            .get_or_init(|| async {
                let query =
                    VerifyToken { token_sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect() };
                let outcome = self.requester.ask(&id.context(), &query, PATIENCE).await.map(Arc::new);
                if outcome.as_ref().is_err_and(|problem| problem.kind == ProblemKind::Unauthorized) {
                    self.strangers.charge(address).await;
                }
                outcome
            })
            .await
            .clone()
    }
}

/// Lets a request through once it is known who sent it.
pub async fn gate(State(gate): State<Gate>, mut request: Request, next: Next) -> Result<Response, Error> {
    let address = gate.address(&request);
    let id =
        request.extensions().get::<RequestId>().cloned().unwrap_or_else(|| RequestId::of(request.headers()));
    let known = match gate.identify(&id, request.headers(), &address).await {
        Ok(known) => known,
        Err(problem) => {
            limits::drain(request).await;
            return Err(problem.into());
        }
    };
    tracing::Span::current().record("user_id", known.user_id.as_deref().unwrap_or(&known.id));
    gate.metrics.seen(&known.id);
    request.extensions_mut().insert(Caller { known, address: address.into() });
    Ok(next.run(request).await)
}

/// For those who have no token yet: known by address alone, and allowed nothing.
pub async fn porch(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let address = gate.address(&request);
    let known = Arc::new(of_address(&address, Role::Read, Scope::Projects(Vec::new())));
    request.extensions_mut().insert(Caller { known, address: address.into() });
    next.run(request).await
}

fn of_address(address: &str, role: Role, scope: Scope) -> account::Caller {
    account::Caller {
        id: format!("ip:{address}"),
        user_id: None,
        name: String::new(),
        role,
        scope,
        limits: CallerLimits::default(),
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer
        .or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()).map(str::trim))
        .filter(|token| !token.is_empty())
}

/// The client's address as the outermost trusted proxy saw it. An IPv6 client owns its whole /64.
pub fn client_address(headers: &HeaderMap, peer: IpAddr, proxies: usize) -> String {
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let seen = forwarded.len().saturating_sub(proxies);
    let address = if proxies == 0 { None } else { forwarded.get(seen).and_then(|hop| address_of(hop)) };
    match address.unwrap_or(peer).to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Some proxies add the port.
fn address_of(hop: &str) -> Option<IpAddr> {
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(forwarded: &[&str], proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        client_address(&headers, IpAddr::from([10, 0, 0, 1]), proxies)
    }

    #[test]
    fn only_what_trusted_proxies_wrote_counts() {
        assert_eq!(seen(&["6.6.6.6"], 0), "10.0.0.1");
        assert_eq!(seen(&["6.6.6.6, 1.2.3.4"], 1), "1.2.3.4");
        assert_eq!(seen(&["6.6.6.6", "1.2.3.4, 10.0.0.9"], 2), "1.2.3.4");
        assert_eq!(seen(&["1.2.3.4:555"], 1), "1.2.3.4");
        assert_eq!(seen(&[], 1), "10.0.0.1");
        assert_eq!(seen(&["nonsense"], 1), "10.0.0.1");
        assert_eq!(seen(&["2001:db8:1:2:3:4:5:6"], 1), "2001:db8:1:2::/64");
        assert_eq!(seen(&["1.2.3.4"], 3), "1.2.3.4");
    }

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
    fn auth_off_stays_on_loopback() {
        let config = Config { auth: Auth::Off, trusted_proxies: 0, jwt: jwt::Config::default() };
        assert!(config.check(IpAddr::from([127, 0, 0, 1])).is_ok());
        let refusal = config.check(IpAddr::from([0, 0, 0, 0])).unwrap_err().to_string();
        assert!(refusal.contains("AUTH=required"), "{refusal}");
    }
}
