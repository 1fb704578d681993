use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::{Embedded, Error};

/// One text that waits for a worker.
pub(crate) struct Job {
    pub kind: Kind,
    pub text: String,
    /// The sentences that get a vector of their own, in bytes of the text.
    pub sentences: Vec<Range<usize>>,
    pub since: Instant,
    pub reply: oneshot::Sender<Result<Embedded, Error>>,
}

/// Receives the result of a [`Job`].
pub(crate) type Reply = oneshot::Receiver<Result<Embedded, Error>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Passage,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Query, Self::Passage];

    /// The label in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Passage => "passage",
        }
    }
}

impl Job {
    /// Whether the caller no longer waits for the result.
    pub fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// The urgency of passages, which depends on how the document was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// The document was uploaded alone.
    Soon,
    /// The document is one of very many, such as in an import.
    Later,
}

/// The texts that wait for a worker. Queries come first, then passages. Urgent passages get most of the turns, but not
/// all, and calls of equal urgency take turns, text by text.
///
/// A call is refused if at least `allowance` texts already wait in its lane; otherwise all its texts are accepted. So a
/// document of any length is accepted, and at most `allowance` texts plus one document wait in a lane.
pub(crate) struct Queue {
    lanes: Mutex<Lanes>,
    /// For the threads in the foreground, and for those in the background.
    filled: [Condvar; 2],
    allowance: usize,
    /// How long threads in the foreground leave the non-urgent passages to those in the background, if these take none. Zero
    /// if there are no threads in the background.
    patience: Duration,
}

#[derive(Default)]
struct Lanes {
    queries: VecDeque<Job>,
    /// Indexed by [`Urgency`].
    passages: [Calls; 2],
    /// The number of urgent passages taken since the last non-urgent one.
    urgent: u8,
    /// When the last non-urgent passage was taken, or the first one came.
    later_since: Option<Instant>,
    closed: bool,
}

/// Which texts a thread takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Queries and urgent passages. It takes others only now and then, or if the threads in the background take none.
    Foreground,
    /// Only passages that are not urgent.
    Background,
}

/// The waiting texts, grouped by call.
#[derive(Default)]
struct Calls(VecDeque<VecDeque<Job>>);

/// The number of urgent passages for each non-urgent one while both wait, so that no passage waits for ever.
const URGENT: u8 = 7;

impl Queue {
    pub fn new(allowance: usize, patience: Duration) -> Self {
        Self { lanes: Mutex::default(), filled: Default::default(), allowance, patience }
    }

    pub fn push_query(&self, job: Job) -> Result<(), Error> {
        self.admit(|lanes| lanes.queries.len())?.queries.push_back(job);
        self.filled[Role::Foreground as usize].notify_one();
        Ok(())
    }

    pub fn push_passages(&self, jobs: VecDeque<Job>, urgency: Urgency) -> Result<(), Error> {
        let mut lanes = self.admit(|lanes| lanes.passages[urgency as usize].waiting())?;
        if urgency == Urgency::Later && lanes.passages[urgency as usize].0.is_empty() {
            lanes.later_since = Some(Instant::now());
        }
        lanes.passages[urgency as usize].0.push_back(jobs);
        drop(lanes);
        self.filled.iter().for_each(Condvar::notify_all);
        Ok(())
    }

    /// Waits for the next text to embed and returns it; `None` once the queue is closed.
    pub fn pop(&self, role: Role) -> Option<Job> {
        let mut lanes = self.lock();
        loop {
            if lanes.closed {
                return None;
            }
            if let Some(job) = lanes.next(role, self.patience) {
                return Some(job);
            }
            let filled = &self.filled[role as usize];
            // Nobody wakes a thread because the texts of the other threads wait too long.
            lanes = if role == Role::Foreground && lanes.passages[Urgency::Later as usize].waiting() > 0 {
                filled.wait_timeout(lanes, self.patience).unwrap_or_else(PoisonError::into_inner).0
            } else {
                filled.wait(lanes).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    /// Ends the workers. All waiting texts fail, because their jobs are dropped without a reply.
    pub fn close(&self) {
        *self.lock() = Lanes { closed: true, ..Lanes::default() };
        self.filled.iter().for_each(Condvar::notify_all);
    }

    pub fn waiting(&self, kind: Kind) -> usize {
        let lanes = self.lock();
        match kind {
            Kind::Query => lanes.queries.len(),
            Kind::Passage => lanes.passages.iter().map(Calls::waiting).sum(),
        }
    }

    fn admit(&self, waiting: impl Fn(&Lanes) -> usize) -> Result<MutexGuard<'_, Lanes>, Error> {
        let mut lanes = self.lock();
        if lanes.closed {
            return Err(Error::Closed);
        }
        if waiting(&lanes) >= self.allowance {
            // Abandoned texts must not cause the refusal of others.
            lanes.forget_abandoned();
        }
        if waiting(&lanes) >= self.allowance { Err(Error::Busy) } else { Ok(lanes) }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn next(&mut self, role: Role, patience: Duration) -> Option<Job> {
        if role == Role::Background {
            return self.later();
        }
        if let Some(query) = self.queries.pop_front() {
            return Some(query);
        }
        if self.urgent >= URGENT
            && let Some(job) = self.later()
        {
            return Some(job);
        }
        if let Some(job) = self.passages[Urgency::Soon as usize].next() {
            self.urgent = self.urgent.saturating_add(1);
            return Some(job);
        }
        if self.later_since?.elapsed() >= patience { self.later() } else { None }
    }

    fn later(&mut self) -> Option<Job> {
        let job = self.passages[Urgency::Later as usize].next()?;
        self.urgent = 0;
        self.later_since = Some(Instant::now());
        Some(job)
    }

    fn forget_abandoned(&mut self) {
        self.queries.retain(|job| !job.is_abandoned());
        for calls in &mut self.passages {
            calls.0.iter_mut().for_each(|call| call.retain(|job| !job.is_abandoned()));
            calls.0.retain(|call| !call.is_empty());
        }
    }
}

impl Calls {
    fn next(&mut self) -> Option<Job> {
        let mut call = self.0.pop_front()?;
        let job = call.pop_front();
        if !call.is_empty() {
            self.0.push_back(call);
        }
        job
    }

    fn waiting(&self) -> usize {
        self.0.iter().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests;
