//! Tokens of an external issuer: JWTs, verified with the issuer's public keys.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, PublicKeyUse},
};
use schemas::{
    Problem, ProjectId, Scope,
    account::{self, BY_JWT, CallerLimits, Role, refusal},
};
use serde::Deserialize;
use tokio::sync::Mutex;

#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Issuer (`iss`) whose JWTs are accepted in addition to acorag's own API keys and login tokens.
    #[arg(long, env = "JWT_ISSUER", requires_all = ["jwt_audience", "jwt_jwks"])]
    pub jwt_issuer: Option<String>,
    /// Audience (`aud`) that the JWTs of JWT_ISSUER must contain.
    #[arg(long, env = "JWT_AUDIENCE", requires = "jwt_issuer")]
    pub jwt_audience: Option<String>,
    /// The public keys of JWT_ISSUER (JWKS): a file, or an http(s) address.
    #[arg(long, env = "JWT_JWKS", requires = "jwt_issuer")]
    pub jwt_jwks: Option<String>,
}

/// Age at which the issuer's public keys are fetched again.
const STALE: Duration = Duration::from_secs(300);
/// Minimum time between two fetches of the keys: otherwise every token with an invented key id would cause one.
const AGAIN: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Issuer {
    issuer: String,
    audience: String,
    keys: Arc<Keys>,
}

/// The issuer's keys as they were last read. While they are fetched again, only tokens with an unknown key wait.
struct Keys {
    source: Source,
    known: RwLock<Known>,
    fetching: Mutex<()>,
}

struct Known {
    keys: Arc<[Key]>,
    tried: Instant,
}

struct Key {
    name: Option<String>,
    key: DecodingKey,
}

enum Source {
    File(PathBuf),
    Address(reqwest::Client, String),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    name: String,
    projects: Option<Projects>,
    role: Option<Role>,
}

/// A list of projects, one project, or `"*"` for all.
#[derive(Deserialize)]
#[serde(untagged)]
enum Projects {
    Some(Vec<ProjectId>),
    Text(String),
}

impl Issuer {
    /// Returns the configured issuer, if any. An unreadable key file is an error. An address that does not
    /// answer is accepted, because it may answer before the first token arrives.
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
        let keys = match source.fetch().await {
            Ok(keys) => keys,
            Err(error) if matches!(source, Source::File(_)) => return Err(error.context("JWT_JWKS")),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "JWT_JWKS: trying again later");
                Arc::default()
            }
        };
        let known = RwLock::new(Known { keys, tried: Instant::now() });
        Ok(Some(Self {
            issuer: issuer.clone(),
            audience: audience.clone(),
            keys: Arc::new(Keys { source, known, fetching: Mutex::default() }),
        }))
    }

    /// Whether this token looks like a JWT, which has two dots: acorag's own tokens have none.
    pub fn may_be(token: &str) -> bool {
        token.split('.').count() == 3
    }

    pub async fn verify(&self, token: &str) -> Result<account::Caller, Problem> {
        let refused = |error: jsonwebtoken::errors::Error| {
            tracing::debug!(%error, "a JWT was refused");
            refusal::unauthorized()
        };
        let header = decode_header(token).map_err(refused)?;
        // With a shared secret (HMAC), everyone who can verify a signature can also make one.
        if header.alg.family() == AlgorithmFamily::Hmac {
            return Err(refusal::unauthorized());
        }
        let keys = self.keys.of(header.kid.as_deref(), header.alg).await;
        if self.keys.were_never_read() {
            // The token may be valid, and a client would throw it away after 401.
            return Err(Problem::unavailable());
        }
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        let claims =
            keys.iter().find_map(|key| decode::<Claims>(token, key, &validation).map_err(refused).ok());
        let claims = claims.ok_or_else(refusal::unauthorized)?.claims;
        // The id goes into logs and settings of the database.
        if claims.sub.contains(char::is_control) {
            return Err(refusal::unauthorized());
        }
        let scope = match claims.projects {
            None => Scope::Projects(Vec::new()),
            Some(Projects::Some(projects)) => Scope::Projects(projects),
            Some(Projects::Text(text)) if text == "*" => Scope::All,
            Some(Projects::Text(text)) => Scope::Projects(text.parse().into_iter().collect()),
        };
        let id = format!("{BY_JWT}{}", claims.sub);
        Ok(account::Caller {
            user_id: Some(id.clone()),
            id,
            name: claims.name,
            role: claims.role.unwrap_or(Role::Read),
            scope,
            limits: CallerLimits::default(),
        })
    }
}

impl Keys {
    /// Returns the keys of this algorithm's family: the one with this key id (`kid`), or all if the token has
    /// no key id. Fetches the keys again when they are old or none fits.
    async fn of(self: &Arc<Self>, name: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let (found, tried) = self.fitting(name, algorithm);
        let unknown = found.is_empty();
        if tried.elapsed() < if unknown { AGAIN } else { STALE } {
            return found;
        }
        // A separate task: if a client that disconnects cancelled the fetch, the next client would start it again.
        let keys = self.clone();
        let fetched = tokio::spawn(async move { keys.fetch(tried).await });
        if !unknown {
            return found;
        }
        drop(fetched.await);
        self.fitting(name, algorithm).0
    }

    fn fitting(&self, name: Option<&str>, algorithm: Algorithm) -> (Vec<DecodingKey>, Instant) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let fits = |key: &&Key| {
            key.key.family() == algorithm.family() && (name.is_none() || key.name.as_deref() == name)
        };
        (known.keys.iter().filter(fits).map(|key| key.key.clone()).collect(), known.tried)
    }

    /// Whether no fetch has succeeded yet.
    fn were_never_read(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).keys.is_empty()
    }

    /// Fetches the keys, unless another task has tried to fetch them after `tried`.
    async fn fetch(&self, tried: Instant) {
        let _turn = self.fetching.lock().await;
        if self.known.read().unwrap_or_else(PoisonError::into_inner).tried != tried {
            return;
        }
        let fetched = self.source.fetch().await;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.tried = Instant::now();
        match fetched {
            Ok(keys) => known.keys = keys,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "JWT_JWKS: keeping the keys known so far");
            }
        }
    }
}

impl Source {
    async fn fetch(&self) -> anyhow::Result<Arc<[Key]>> {
        let text = match self {
            Self::File(path) => tokio::fs::read_to_string(path)
                .await
                .with_context(|| format!("cannot read {}", path.display()))?,
            Self::Address(client, address) => {
                let asking = async { client.get(address).send().await?.error_for_status()?.text().await };
                asking.await.context("asking for the keys")?
            }
        };
        read(&text)
    }
}

/// Parses a JWKS document. Skips keys for encryption and of unknown types, which issuers publish too.
fn read(text: &str) -> anyhow::Result<Arc<[Key]>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_str(text).context("this is not a JWKS document")?;
    let keys: Arc<[Key]> = set.keys.into_iter().filter_map(key).collect();
    ensure!(!keys.is_empty(), "there is no key in it that can check a signature");
    Ok(keys)
}

fn key(published: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(published)
        .inspect_err(|error| tracing::debug!(%error, "JWT_JWKS: a key of an unknown kind is left out"))
        .ok()?;
    if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { name: jwk.common.key_id, key })
}

#[cfg(test)]
mod tests;
