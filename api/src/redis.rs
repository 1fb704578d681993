//! Redis as the api uses it: one attempt, a moment's patience, and nothing that depends on it.

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

/// After a failure Redis is not asked for this long, and then by one request first: an outage makes one request a second
/// wait for it, not every request.
const PAUSE: Duration = Duration::from_secs(1);
/// A start waits this long for it: the first request then finds it connected.
const WARM_UP: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Redis {
    pool: Pool,
    patience: Duration,
    started: Instant,
    /// Milliseconds after `started` until which it counts as away.
    away_until: Arc<AtomicU64>,
}

impl Redis {
    pub fn new(pool: Pool, patience: Duration) -> Self {
        Self { pool, patience, started: Instant::now(), away_until: Arc::default() }
    }

    /// Waits until it is connected, or a moment when it is away.
    pub async fn warm_up(&self) {
        if !matches!(tokio::time::timeout(WARM_UP, self.pool.wait_for_connect()).await, Ok(Ok(()))) {
            tracing::warn!("Redis is away: starting without");
        }
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The answer, or nothing when Redis is away.
    pub async fn ask<T>(&self, call: impl AsyncFnOnce(&Pool) -> FredResult<T>) -> Option<T> {
        let now = millis(self.started.elapsed());
        let away = self.away_until.load(Ordering::Relaxed);
        if now < away {
            return None;
        }
        // The first request after a pause keeps the others away until it knows whether Redis is back.
        let again = now + millis(PAUSE);
        if away > 0
            && self.away_until.compare_exchange(away, again, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return None;
        }
        // Boxed: the client's futures are large, and every search would carry them about.
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
