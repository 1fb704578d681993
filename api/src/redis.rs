//! The API's access to Redis: one attempt with a short timeout. The API also works without Redis.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fred::{
    clients::Pool,
    prelude::{ClientLike as _, FredResult},
};
use platform::{lock::lock, redis::Config};

/// How long Redis is not used after a failure: in an outage, only one request per second waits for it.
const PAUSE: Duration = Duration::from_secs(1);
/// Maximum time that the start waits for the connection, so that the first request finds it open.
const WARM_UP: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Redis {
    pub pool: Pool,
    patience: Duration,
    /// Redis counts as unavailable until this time; `None` while Redis is available.
    away_until: Arc<Mutex<Option<Instant>>>,
}

impl Redis {
    /// Waits until Redis is connected, but at most for `WARM_UP`.
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        let pool = config.connect()?;
        if !matches!(tokio::time::timeout(WARM_UP, pool.wait_for_connect()).await, Ok(Ok(()))) {
            tracing::warn!("Redis is away: starting without");
        }
        let patience = Duration::from_millis(config.redis_timeout_ms);
        Ok(Self { pool, patience, away_until: Arc::default() })
    }

    /// Returns the result of the call, or `None` when Redis is unavailable or the call fails.
    pub async fn ask<T>(&self, call: impl AsyncFnOnce(&Pool) -> FredResult<T>) -> Option<T> {
        let was_away = {
            let (mut away_until, now) = (lock(&self.away_until), Instant::now());
            if away_until.is_some_and(|until| now < until) {
                return None;
            }
            // After a pause, one request alone tries Redis. It starts the next pause, in which all other requests
            // skip Redis; if the attempt succeeds, the pause ends.
            let next = away_until.map(|_| now + PAUSE);
            std::mem::replace(&mut *away_until, next).is_some()
        };
        // Boxed, because the large futures of the Redis client would enlarge the future of every search.
        match tokio::time::timeout(self.patience, Box::pin(call(&self.pool))).await {
            Ok(Ok(answer)) => {
                if was_away {
                    *lock(&self.away_until) = None;
                    tracing::info!("Redis is back");
                }
                return Some(answer);
            }
            Ok(Err(error)) if !was_away => tracing::warn!(%error, "Redis is away: going on without"),
            Err(_) if !was_away => tracing::warn!("Redis does not answer in time: going on without"),
            _ => {}
        }
        *lock(&self.away_until) = Some(Instant::now() + PAUSE);
        None
    }
}
