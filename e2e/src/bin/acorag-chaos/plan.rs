//! What is sent and what is broken, all of it decided by the seed before anything starts.

mod documents;
mod faults;

use std::time::Duration;

pub use documents::Content;
use e2e::Random;
pub use faults::{Fault, INGEST_WORKERS, Target};
use schemas::{DocumentId, ProjectId};

pub struct Plan {
    pub submissions: Vec<Submission>,
    pub faults: Vec<Fault>,
}

/// Something that is sent: a document, or an import with its records.
pub struct Submission {
    /// When, from the start.
    pub at: Duration,
    pub project: ProjectId,
    pub id: DocumentId,
    pub content: Content,
    /// How often it is sent in all, and how long after each other; at once without a pause.
    pub sends: usize,
    pub pause: Duration,
    /// Sent once, accepted or not: then it may be there or not, but not by half.
    pub gives_up: bool,
    /// Deleted again, so long after it was accepted.
    pub deleted_after: Option<Duration>,
    pub documents: Vec<Document>,
    pub records: Option<Records>,
}

/// What an import's view must say in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Records {
    pub total: u64,
    pub failed: u64,
}

/// A document that must come of a submission.
#[derive(Clone)]
pub struct Document {
    pub project: ProjectId,
    pub id: DocumentId,
    pub end: End,
    /// Words that only this document holds.
    pub words: Vec<String>,
    pub passages: Passages,
    /// Of its file, in hexadecimal, when it was uploaded as one.
    pub sha256: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Indexed,
    /// A newer revision answers in its place.
    Superseded,
    /// It is bad: it must fail, with a reason.
    Fails,
    Deleted,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Passages {
    One,
    /// As many as the same file gave before anything was broken.
    AsInBaseline,
}

impl Plan {
    pub fn new(seed: u64, documents: usize, time: Duration) -> anyhow::Result<Self> {
        // Apart, so that a change of one does not change the other.
        let mut chance = Random::new(seed);
        let (mut sending, breaking) = (Random::new(chance.number()), Random::new(chance.number()));
        let mut submissions = documents::generate(&mut sending, documents)?;
        sending.shuffle(&mut submissions);
        // The last ones are sent while things still break.
        let end = time.mul_f64(0.9);
        for submission in &mut submissions {
            submission.at = sending.between(Duration::ZERO, end);
        }
        Ok(Self { submissions, faults: faults::draw(breaking, time) })
    }
}

#[cfg(test)]
mod tests;
