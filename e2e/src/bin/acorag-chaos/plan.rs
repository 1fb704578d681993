//! The plan of a run: everything that is sent and all faults, determined by the seed.

mod documents;
mod faults;

use std::time::Duration;

pub use documents::Content;
use e2e::Random;
pub use faults::{Fault, INGEST_WORKERS, Target};
use schemas::{DocumentId, ProjectId, event::EventKind};

pub struct Plan {
    pub submissions: Vec<Submission>,
    pub faults: Vec<Fault>,
}

/// A submission: a document, or an import with its records.
pub struct Submission {
    /// When the submission is sent, counted from the start of the run.
    pub at: Duration,
    pub project: ProjectId,
    pub id: DocumentId,
    pub content: Content,
    /// How many times the submission is sent in total.
    pub sends: usize,
    /// The pause before the submission is sent again; zero to send it all times at once.
    pub pause: Duration,
    /// Whether the submission is sent only once, even if it is not accepted. Then it may be stored or not,
    /// but not partly.
    pub gives_up: bool,
    /// How long after its acceptance the submission is deleted, if at all.
    pub deleted_after: Option<Duration>,
    pub documents: Vec<Document>,
    /// The numbers of all records and of the failed ones that an import must report at the end.
    pub records: Option<(u64, u64)>,
}

/// A document that a submission must produce.
#[derive(Clone)]
pub struct Document {
    pub project: ProjectId,
    pub id: DocumentId,
    /// The last event of the document. It fails if it is invalid, and is superseded if a newer revision replaces it.
    pub end: EventKind,
    /// Words that only this document contains.
    pub words: Vec<String>,
    /// Whether the document has as many passages as the same file had before the faults. Otherwise it has one.
    pub long: bool,
    /// The SHA-256 of the document's file, in hexadecimal, if the document was uploaded as a file.
    pub sha256: Option<String>,
}

impl Plan {
    pub fn new(seed: u64, documents: usize, time: Duration) -> anyhow::Result<Self> {
        // Two random number generators, so that a change of the submissions does not change the faults.
        let mut chance = Random::new(seed);
        let (mut sending, breaking) = (Random::new(chance.number()), Random::new(chance.number()));
        let mut submissions = documents::generate(&mut sending, documents)?;
        sending.shuffle(&mut submissions);
        // The last submissions are sent while there are still faults.
        let end = time.mul_f64(0.9);
        for submission in &mut submissions {
            submission.at = sending.between(Duration::ZERO, end);
        }
        Ok(Self { submissions, faults: faults::draw(breaking, time) })
    }
}

#[cfg(test)]
mod tests;
