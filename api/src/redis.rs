//! The API's access to Redis: one attempt with a short timeout. The API also works without Redis.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fred::{
    clients::Pool,
    prelude::{ClientLike as _, FredResult},
};

/// How long Redis is not used after a failure: in an outage, only one request per second waits for it.
const PAUSE: Duration = Duration::from_secs(1);
/// Maximum time that the start waits for the connection, so that the first request finds it open.
const WARM_UP: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Redis {
    pub pool: Pool,
    patience: Duration,
    started: Instant,
    /// Redis counts as unavailable until this many milliseconds after `started`; 0 while Redis is available.
    away_until: Arc<AtomicU64>,
}

impl Redis {
    pub fn new(pool: Pool, patience: Duration) -> Self {
        Self { pool, patience, started: Instant::now(), away_until: Arc::default() }
    }

    /// Waits until Redis is connected, but at most for `WARM_UP`.
    pub async fn warm_up(&self) {
        if !matches!(tokio::time::timeout(WARM_UP, self.pool.wait_for_connect()).await, Ok(Ok(()))) {
            tracing::warn!("Redis is away: starting without");
        }
    }

    /// Returns the result of the call, or `None` when Redis is unavailable or the call fails.
    pub async fn ask<T>(&self, call: impl AsyncFnOnce(&Pool) -> FredResult<T>) -> Option<T> {
        let now = millis(self.started.elapsed());
        let away = self.away_until.load(Ordering::Relaxed);
        if now < away {
            return None;
        }
        // After a pause, one request alone tries Redis. It starts the next pause, in which all other requests
        // skip Redis; if the attempt succeeds, the pause ends.
        let again = now + millis(PAUSE);
        if away > 0
            && self.away_until.compare_exchange(away, again, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return None;
        }
        // Boxed, because the large futures of the Redis client would enlarge the future of every search.
        match tokio::time::timeout(self.patience, Box::pin(call(&self.pool))).await {
            Ok(Ok(answer)) => {
                if away > 0 {
                    self.away_until.store(0, Ordering::Relaxed);
                    tracing::info!("Redis is back");
                }
                return Some(answer);
            }
            Ok(Err(error)) if away == 0 => tracing::warn!(%error, "Redis is away: going on without"),
            Err(_) if away == 0 => tracing::warn!("Redis does not answer in time: going on without"),
            _ => {}
        }
        self.away_until.store(millis(self.started.elapsed()) + millis(PAUSE), Ordering::Relaxed);
        None
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
