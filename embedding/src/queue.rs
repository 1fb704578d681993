use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::{Embedded, Error};

/// One text that waits for a worker.
pub(crate) struct Job {
    pub lane: Lane,
    pub text: String,
    /// The sentences that get a vector of their own, in bytes of the text.
    pub sentences: Vec<Range<usize>>,
    pub since: Instant,
    /// It is closed if the caller no longer waits for the result.
    pub reply: oneshot::Sender<Result<Embedded, Error>>,
}

/// What a text is, and how urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Queries,
    /// Passages of a document that was uploaded alone.
    Soon,
    /// Passages of a document that is one of very many, such as in an import.
    Later,
}

impl Lane {
    /// The label in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queries => "query",
            Self::Soon | Self::Later => "passage",
        }
    }
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
    /// Indexed by [`Lane`].
    calls: [Calls; 3],
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

    pub fn push(&self, lane: Lane, jobs: VecDeque<Job>) -> Result<(), Error> {
        let mut lanes = self.lock();
        if lanes.closed {
            return Err(Error::Closed);
        }
        if lanes.calls[lane as usize].waiting() >= self.allowance {
            // Abandoned texts must not cause the refusal of others.
            lanes.forget_abandoned();
            if lanes.calls[lane as usize].waiting() >= self.allowance {
                return Err(Error::Busy);
            }
        }
        if lane == Lane::Later && lanes.calls[lane as usize].0.is_empty() {
            lanes.later_since = Some(Instant::now());
        }
        lanes.calls[lane as usize].0.push_back(jobs);
        drop(lanes);
        match lane {
            Lane::Queries => self.filled[Role::Foreground as usize].notify_one(),
            Lane::Soon | Lane::Later => self.filled.iter().for_each(Condvar::notify_all),
        }
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
            lanes = if role == Role::Foreground && lanes.calls[Lane::Later as usize].waiting() > 0 {
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

    /// Returns the number of texts in each lane.
    pub fn waiting(&self) -> [usize; 3] {
        self.lock().calls.each_ref().map(Calls::waiting)
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
        if let Some(query) = self.calls[Lane::Queries as usize].next() {
            return Some(query);
        }
        if self.urgent >= URGENT
            && let Some(job) = self.later()
        {
            return Some(job);
        }
        if let Some(job) = self.calls[Lane::Soon as usize].next() {
            self.urgent = self.urgent.saturating_add(1);
            return Some(job);
        }
        if self.later_since?.elapsed() >= patience { self.later() } else { None }
    }

    fn later(&mut self) -> Option<Job> {
        let job = self.calls[Lane::Later as usize].next()?;
        self.urgent = 0;
        self.later_since = Some(Instant::now());
        Some(job)
    }

    fn forget_abandoned(&mut self) {
        for calls in &mut self.calls {
            calls.0.iter_mut().for_each(|call| call.retain(|job| !job.reply.is_closed()));
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
