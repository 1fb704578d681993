//! Limits login attempts per address ([`crate::limits`]) and also per account, so that many addresses
//! together cannot guess a password faster. The limit per account does not apply to addresses from which
//! somebody recently logged in to the account: otherwise an attacker could lock out its owner.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fred::{interfaces::KeysInterface as _, types::Expiration};
use schemas::Problem;
use sha2::{Digest as _, Sha256};

use crate::{
    expiring::Expiring,
    limits::{Class, Limits},
    redis::Redis,
};

/// How long an address counts as an account's own after a successful login.
const LATELY: Duration = Duration::from_secs(30 * 24 * 3600);
/// Maximum number of addresses of successful logins that this process remembers, for when Redis is unavailable.
const MOST: usize = 10_000;

#[derive(Clone)]
pub struct Logins {
    limits: Limits,
    redis: Redis,
    own: Arc<Expiring>,
}

impl Logins {
    pub fn new(limits: Limits, redis: Redis) -> Self {
        Self { limits, redis, own: Arc::new(Expiring::new(MOST)) }
    }

    /// Admits a login attempt. If its password is correct, [`succeeded`](Self::succeeded) takes what this returns.
    pub async fn attempt(&self, email: &str, address: &str) -> Result<String, Problem> {
        // The key is a hash, because Redis need not know whose account it is.
        let hash = |text: &str| schemas::text::hex(Sha256::digest(text));
        let key = format!("acorag:login:{}", hash(&format!("{email}\n{address}")));
        let is_own = self.own.get(&key, Instant::now()).is_some()
            || self.redis.ask(async |pool| pool.exists::<bool, _>(&key).await).await.unwrap_or(false);
        if !is_own {
            self.limits.charge(Class::Login, &format!("account:{}", hash(email))).await?;
        }
        Ok(key)
    }

    /// Records that the password was correct: the address now counts as the account's own.
    pub async fn succeeded(&self, attempt: String) {
        let now = Instant::now();
        self.own.insert(&attempt, now, now + LATELY);
        let ttl = Expiration::EX(LATELY.as_secs() as i64);
        self.redis.ask(async |pool| pool.set::<(), _, _>(attempt, 1, Some(ttl), None, false).await).await;
    }
}
