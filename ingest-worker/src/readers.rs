//! Limits how many files are read at the same time, each in a child process.

use std::sync::Arc;

use schemas::subjects::JobKind;
use tokio::sync::{Semaphore, SemaphorePermit};

#[derive(Clone)]
pub struct Readers {
    all: Arc<Semaphore>,
    /// How many of these slots may be used for jobs that are not urgent, so that an urgent one finds a free slot.
    patient: Arc<Semaphore>,
}

impl Readers {
    pub fn new(slots: usize) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.max(1)));
        Self { all: semaphore(slots), patient: semaphore(slots.saturating_sub(1)) }
    }

    /// Waits for a slot, which is used until the returned permits are dropped.
    pub async fn turn(&self, kind: JobKind) -> [Option<SemaphorePermit<'_>>; 2] {
        // Neither semaphore is ever closed.
        let patient = if kind.is_urgent() { None } else { self.patient.acquire().await.ok() };
        [patient, self.all.acquire().await.ok()]
    }
}
