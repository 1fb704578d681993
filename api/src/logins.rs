//! Guessing a password is slowed by address, which [`crate::limits`] counts, and by account: many addresses together may
//! guess no faster. That bound must not lock the owner out, so it does not hold where the account has logged in lately.

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

/// How long an address counts as an account's own.
const LATELY: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most that this process remembers for the time when Redis is away.
const MOST: usize = 10_000;

#[derive(Clone)]
pub struct Logins {
    limits: Limits,
    redis: Redis,
    own: Arc<Expiring<String>>,
}

/// An attempt that may go to a worker.
pub struct Attempt<'a> {
    logins: &'a Logins,
    key: String,
}

impl Logins {
    pub fn new(limits: Limits, redis: Redis) -> Self {
        Self { limits, redis, own: Arc::new(Expiring::new(MOST)) }
    }

    pub async fn attempt(&self, email: &str, address: &str) -> Result<Attempt<'_>, Problem> {
        // By hash, because Redis need not know whose account it is.
        let hash = |text: &str| schemas::text::hex(Sha256::digest(text));
        let attempt =
            Attempt { logins: self, key: format!("acorag:login:{}", hash(&format!("{email}\n{address}"))) };
        if !attempt.is_from_an_own_address().await {
            self.limits.charge(Class::Login, &format!("account:{}", hash(email))).await?;
        }
        Ok(attempt)
    }
}

impl Attempt<'_> {
    async fn is_from_an_own_address(&self) -> bool {
        let Logins { redis, own, .. } = self.logins;
        own.get(&self.key, Instant::now()).is_some()
            || redis.ask(async |pool| pool.exists::<bool, _>(&self.key).await).await.unwrap_or(false)
    }

    /// The password was right.
    pub async fn succeeded(self) {
        let now = Instant::now();
        self.logins.own.insert(self.key.clone(), now, now + LATELY);
        let ttl = Expiration::EX(LATELY.as_secs() as i64);
        let kept = self
            .logins
            .redis
            .ask(async |pool| pool.set::<(), _, _>(&self.key, 1, Some(ttl), None, false).await);
        kept.await;
    }
}
