//! Turns of the queries that may read every document or every search of their scope. In a large project they take seconds, and
//! they share their lane with short queries that everything waits for, such as the check of a token. So they run one at a
//! time, and never take all slots of the lane.

use std::{future::Future, sync::Arc, time::Duration};

use schemas::Problem;
use tokio::{sync::Semaphore, time::timeout};
use tracing::Instrument as _;

use crate::error::Result;

/// Maximum wait for the query before. Usually it takes some milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub struct Turns {
    /// For the queries that run or wait.
    slots: Arc<Semaphore>,
    /// For the query that runs.
    running: Arc<Semaphore>,
}

impl Turns {
    /// `slots` are those of the whole lane, of which one stays free for other queries.
    pub fn new(slots: usize) -> Self {
        let ours = slots.saturating_sub(1).max(1);
        Self { slots: Arc::new(Semaphore::new(ours)), running: Arc::new(Semaphore::new(1)) }
    }

    /// Waits for a turn, but not for long. Then the query runs to its end, also if its asker stops waiting: PostgreSQL works
    /// on a statement until its time is over, and the turn must last as long. Otherwise askers that give up could start many
    /// at the same time.
    pub async fn run<T: Send + 'static>(
        &self,
        query: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| Problem::overloaded())?;
        let Ok(Ok(turn)) = timeout(PATIENCE, self.running.clone().acquire_owned()).await else {
            return Err(Problem::overloaded().into());
        };
        let running = async move {
            let answer = query.await;
            drop((slot, turn));
            answer
        };
        tokio::spawn(running.in_current_span()).await.map_err(|ended| {
            tracing::error!(error = %ended, "a query panicked");
            Problem::internal()
        })?
    }
}
