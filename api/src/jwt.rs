//! Tokens of an outside issuer: JWTs, checked against its published keys.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use schemas::{
    Problem, ProjectId, Scope,
    account::{self, CallerLimits, Role, refusal},
};
use serde::Deserialize;
use tokio::sync::Mutex;

#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Issuer (`iss`) whose JWTs are accepted besides keys and logins of acorag's own.
    #[arg(long, env = "JWT_ISSUER", requires_all = ["jwt_audience", "jwt_jwks"])]
    pub jwt_issuer: Option<String>,
    /// Audience (`aud`) that those JWTs must be made for.
    #[arg(long, env = "JWT_AUDIENCE", requires = "jwt_issuer")]
    pub jwt_audience: Option<String>,
    /// The issuer's public keys (JWKS): a file, or an http(s) address.
    #[arg(long, env = "JWT_JWKS", requires = "jwt_issuer")]
    pub jwt_jwks: Option<String>,
}

/// Only signatures that a public key checks: with a shared secret, whoever can check could also sign.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Age at which the keys are fetched again.
const STALE: Duration = Duration::from_secs(300);
/// A token with an unknown key makes them be fetched again, but not more often than this.
const AGAIN: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Issuer {
    issuer: String,
    audience: String,
    source: Source,
    keys: Arc<Mutex<Keys>>,
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Address(reqwest::Client, String),
}

struct Keys {
    set: JwkSet,
    tried: Option<Instant>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    projects: Projects,
    role: Option<Role>,
}

/// A list of projects, or `"*"` for all. Absent: none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Projects {
    Some(Vec<ProjectId>),
    Text(String),
}

impl Default for Projects {
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

impl Issuer {
    /// The configured issuer, if any. A key file that cannot be read stops the start; an address that does not answer
    /// does not: it may be back before the first token comes.
    pub async fn new(config: &Config) -> anyhow::Result<Option<Self>> {
        let (Some(issuer), Some(audience), Some(keys)) =
            (&config.jwt_issuer, &config.jwt_audience, &config.jwt_jwks)
        else {
            return Ok(None);
        };
        let source = if keys.starts_with("http://") || keys.starts_with("https://") {
            let client = reqwest::Client::builder().timeout(PATIENCE).build().context("JWT_JWKS")?;
            Source::Address(client, keys.clone())
        } else {
            Source::File(keys.into())
        };
        let set = match source.fetch().await {
            Ok(set) => set,
            Err(error) if matches!(source, Source::File(_)) => return Err(error.context("JWT_JWKS")),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "JWT_JWKS: trying again later");
                JwkSet { keys: Vec::new() }
            }
        };
        Ok(Some(Self {
            issuer: issuer.clone(),
            audience: audience.clone(),
            source,
            keys: Arc::new(Mutex::new(Keys { set, tried: Some(Instant::now()) })),
        }))
    }

    /// Whether this looks like a JWT: our own tokens have no dots.
    pub fn may_be(token: &str) -> bool {
        token.split('.').count() == 3
    }

    pub async fn verify(&self, token: &str) -> Result<account::Caller, Problem> {
        let refused = |error: jsonwebtoken::errors::Error| {
            tracing::debug!(%error, "a JWT was refused");
            refusal::unauthorized()
        };
        let header = decode_header(token).map_err(refused)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refusal::unauthorized());
        }
        let key = self.key(header.kid.as_deref()).await.ok_or_else(refusal::unauthorized)?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        let claims = decode::<Claims>(token, &key, &validation).map_err(refused)?.claims;
        let scope = match claims.projects {
            Projects::Some(projects) => Scope::Projects(projects),
            Projects::Text(text) if text == "*" => Scope::All,
            Projects::Text(text) => {
                Scope::Projects(text.parse().map(|project| vec![project]).unwrap_or_default())
            }
        };
        let id = format!("jwt:{}", claims.sub);
        Ok(account::Caller {
            user_id: Some(id.clone()),
            id,
            name: claims.name,
            role: claims.role.unwrap_or(Role::Read),
            scope,
            limits: CallerLimits::default(),
        })
    }

    /// The key of that name; without a name, the only one there is.
    async fn key(&self, name: Option<&str>) -> Option<DecodingKey> {
        let mut keys = self.keys.lock().await;
        let find = |set: &JwkSet| match name {
            Some(name) => set.find(name).cloned(),
            None if set.keys.len() == 1 => set.keys.first().cloned(),
            None => None,
        };
        let age = keys.tried.map_or(Duration::MAX, |tried| tried.elapsed());
        let found = find(&keys.set);
        if age > STALE || (found.is_none() && age > AGAIN) {
            keys.tried = Some(Instant::now());
            match self.source.fetch().await {
                Ok(set) => keys.set = set,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "JWT_JWKS: keeping the keys known so far")
                }
            }
        }
        DecodingKey::from_jwk(&find(&keys.set)?).ok()
    }
}

impl Source {
    async fn fetch(&self) -> anyhow::Result<JwkSet> {
        let text = match self {
            Self::File(path) => tokio::fs::read_to_string(path)
                .await
                .with_context(|| format!("cannot read {}", path.display()))?,
            Self::Address(client, address) => {
                let response = client.get(address).send().await.context("asking for the keys")?;
                response
                    .error_for_status()
                    .context("asking for the keys")?
                    .text()
                    .await
                    .context("reading the keys")?
            }
        };
        serde_json::from_str(&text).context("this is not a JWKS document")
    }
}
