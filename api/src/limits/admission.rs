//! Admits no more calls to the workers than they can answer soon, and refuses the others at once.
//!
//! The bound adapts itself to the workers. A reply says how long the worker worked on it; the rest of the time the call
//! waited. If even the call that waited least in a window of time waited longer than the work takes, there is a standing
//! queue, not a burst that drains, and the bound falls in the proportion by which the calls took too long (Little's law:
//! calls in progress = answers per second × seconds per call). Otherwise the bound grows if it is reached.
//!
//! Each process adapts its own bound, but all of them see the same queue. They lower their bounds by the same factor and
//! raise them by about the same number, so that their bounds become equal: additive increase, multiplicative decrease, as
//! in [Chiu and Jain](https://doi.org/10.1016/0169-7552(89)90019-6) and TCP.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use platform::{lock::lock, nats::request::Frame};
use prometheus::{IntCounter, IntCounterVec};
use schemas::Problem;

/// The bound before anything is measured, and again when the workers are no longer busy: for bursts.
const FIRST: f64 = 32.0;
/// After this time without calls in progress, the bound starts again.
const IDLE: Duration = Duration::from_secs(30);
/// The bound never falls below this: a few calls keep the workers busy while answers are on their way.
const LEAST: f64 = 4.0;
const MOST: f64 = 2_048.0;
/// Minimum length of a window, and minimum number of answers in it.
const WINDOW: Duration = Duration::from_millis(250);
const ANSWERS: u32 = 5;
/// A wait up to this long is no queue: storing and transporting a query takes time, too.
const TRANSPORT: Duration = Duration::from_millis(50);

/// Searches and chats have separate bounds, so that a flood of the one does not exclude the other.
#[derive(Clone)]
pub struct Admission {
    pub searches: Bound,
    pub chats: Bound,
}

impl Admission {
    pub fn new(refused: &IntCounterVec) -> Self {
        let bound = |class| Bound {
            state: Arc::new(Mutex::new(State::new(Instant::now()))),
            refused: refused.with_label_values(&[class, "overload"]),
        };
        Self { searches: bound("search"), chats: bound("chat") }
    }
}

#[derive(Clone)]
pub struct Bound {
    state: Arc<Mutex<State>>,
    refused: IntCounter,
}

struct State {
    bound: f64,
    in_progress: u32,
    /// Whether there was a standing queue since the start. Until then the bound grows fast.
    has_queued: bool,
    window: Window,
}

/// What was measured since the bound was last adapted.
struct Window {
    since: Instant,
    answers: u32,
    least_wait: Duration,
    worked: Duration,
    /// Whether the bound was reached.
    reached: bool,
}

/// An admitted call. It is in progress until this is dropped.
pub struct Admitted {
    bound: Bound,
    since: Instant,
}

impl Bound {
    /// Admits a call, or refuses it as overload.
    pub fn admit(&self) -> Result<Admitted, Problem> {
        let mut state = lock(&self.state);
        if state.in_progress == 0 && state.window.since.elapsed() > IDLE {
            *state = State::new(Instant::now());
        }
        let full = f64::from(state.in_progress) + 1.0 > state.bound;
        state.window.reached |= f64::from(state.in_progress) + 2.0 > state.bound;
        if full {
            self.refused.inc();
            return Err(Problem::overloaded());
        }
        state.in_progress += 1;
        Ok(Admitted { bound: self.clone(), since: Instant::now() })
    }
}

impl Admitted {
    /// Records the answer, which says how long the worker worked on it.
    pub fn answered(self, last: &Frame) {
        if let Some(worked) = last.worked {
            let received = last.received.into_std();
            lock(&self.bound.state).answered(received, received.duration_since(self.since), worked);
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        lock(&self.bound.state).in_progress -= 1;
    }
}

impl State {
    fn new(now: Instant) -> Self {
        Self { bound: FIRST, in_progress: 0, has_queued: false, window: Window::new(now) }
    }

    fn answered(&mut self, now: Instant, took: Duration, worked: Duration) {
        let window = &mut self.window;
        // A call that came earlier was admitted by the bound of before.
        if now.duration_since(window.since) < took {
            return;
        }
        window.answers += 1;
        window.worked += worked;
        window.least_wait = window.least_wait.min(took.saturating_sub(worked));
        let elapsed = now.duration_since(window.since);
        let work = window.worked / window.answers;
        if window.answers < ANSWERS || elapsed < WINDOW.max(work * 2) {
            return;
        }
        let tolerated = work.max(TRANSPORT);
        self.bound = if window.least_wait > tolerated {
            self.has_queued = true;
            let kept = (work + tolerated).div_duration_f64(work + window.least_wait);
            (self.bound * kept.max(0.5)).max(LEAST)
        } else if window.reached {
            let growth = if self.has_queued { 1.0 + self.bound / 64.0 } else { (self.bound / 8.0).max(1.0) };
            (self.bound + growth).min(MOST)
        } else {
            self.bound.max(FIRST)
        };
        self.window = Window::new(now);
    }
}

impl Window {
    fn new(since: Instant) -> Self {
        Self { since, answers: 0, least_wait: Duration::MAX, worked: Duration::ZERO, reached: false }
    }
}

#[cfg(test)]
mod tests;
