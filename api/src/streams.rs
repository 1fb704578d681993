//! Answers that stay open: a bounded number, counted, and all of them end when the service stops.

use std::sync::Arc;

use prometheus::{IntGauge, IntGaugeVec};
use schemas::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub struct Streams {
    slots: Arc<Semaphore>,
    stopping: CancellationToken,
    open: IntGaugeVec,
}

/// A place among the open answers, for as long as it lives.
pub struct Seat {
    pub stopping: CancellationToken,
    open: IntGauge,
    _slot: OwnedSemaphorePermit,
}

impl Streams {
    pub fn new(most: usize, stopping: CancellationToken, open: IntGaugeVec) -> Self {
        Self { slots: Arc::new(Semaphore::new(most)), stopping, open }
    }

    pub fn take(&self, kind: &str) -> Result<Seat, Problem> {
        let slot =
            self.slots.clone().try_acquire_owned().map_err(|_| Problem::overloaded().retry_after(10))?;
        let open = self.open.with_label_values(&[kind]);
        open.inc();
        Ok(Seat { stopping: self.stopping.clone(), open, _slot: slot })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.open.dec();
    }
}
