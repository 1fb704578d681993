use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::queue::Kind;

/// What the model has done since it was loaded and what it does now, for whoever exports metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub threads: usize,
    /// Threads that are embedding at this moment.
    pub busy: usize,
    pub queries: Lane,
    pub passages: Lane,
}

/// One of the two lanes. All but `waiting` only ever grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Texts in the queue at this moment.
    pub waiting: usize,
    /// Texts embedded.
    pub embedded: u64,
    /// Tokens of the texts embedded, with prefix and special tokens.
    pub tokens: u64,
    /// Texts the model failed on.
    pub failed: u64,
    /// Texts refused because the queue was full.
    pub refused: u64,
    /// Texts skipped because their caller had gone away.
    pub abandoned: u64,
    /// Time that texts waited before a thread took them up, added together.
    pub waited: Duration,
    /// Time that threads spent embedding, added together.
    pub worked: Duration,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub busy: AtomicUsize,
    queries: LaneCounters,
    passages: LaneCounters,
}

#[derive(Default)]
pub(crate) struct LaneCounters {
    pub embedded: AtomicU64,
    pub tokens: AtomicU64,
    pub failed: AtomicU64,
    pub refused: AtomicU64,
    pub abandoned: AtomicU64,
    waited_micros: AtomicU64,
    worked_micros: AtomicU64,
}

impl Counters {
    pub fn lane(&self, kind: Kind) -> &LaneCounters {
        match kind {
            Kind::Query => &self.queries,
            Kind::Passage => &self.passages,
        }
    }
}

impl LaneCounters {
    pub fn waited(&self, time: Duration) {
        add(&self.waited_micros, time);
    }

    pub fn worked(&self, time: Duration) {
        add(&self.worked_micros, time);
    }

    pub fn read(&self, waiting: usize) -> Lane {
        Lane {
            waiting,
            embedded: self.embedded.load(Relaxed),
            tokens: self.tokens.load(Relaxed),
            failed: self.failed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            waited: Duration::from_micros(self.waited_micros.load(Relaxed)),
            worked: Duration::from_micros(self.worked_micros.load(Relaxed)),
        }
    }
}

fn add(counter: &AtomicU64, time: Duration) {
    counter.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
}
