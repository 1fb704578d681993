//! Answers that stay open: a bounded number, counted, and all of them end when the service stops.

use std::sync::Arc;

use prometheus::{IntGauge, IntGaugeVec};
use schemas::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub struct Streams {
    permits: Arc<Semaphore>,
    stopping: CancellationToken,
    open: IntGaugeVec,
}

/// One open answer, counted for as long as this lives.
pub struct Permit {
    pub stopping: CancellationToken,
    open: IntGauge,
    _permit: OwnedSemaphorePermit,
}

impl Streams {
    pub fn new(most: usize, stopping: CancellationToken, open: IntGaugeVec) -> Self {
        Self { permits: Arc::new(Semaphore::new(most)), stopping, open }
    }

    pub fn open(&self, kind: &str) -> Result<Permit, Problem> {
        let permit = self.permits.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Problem::overloaded().retry_after(10))?;
        let open = self.open.with_label_values(&[kind]);
        open.inc();
        Ok(Permit { stopping: self.stopping.clone(), open, _permit: permit })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.open.dec();
    }
}
