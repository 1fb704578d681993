//! What is sent and what is broken, all of it decided by the seed before anything starts.

mod blows;
mod cargo;

use std::time::Duration;

pub use blows::{Blow, INGEST_WORKERS, Target};
pub use cargo::Cargo;
use e2e::Random;
use schemas::{DocumentId, ProjectId};

pub struct Plan {
    pub shipments: Vec<Shipment>,
    pub blows: Vec<Blow>,
}

/// Something that is sent: a document, or an import with its records.
pub struct Shipment {
    /// When, from the start.
    pub at: Duration,
    pub project: ProjectId,
    pub id: DocumentId,
    pub cargo: Cargo,
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

/// A document that must come of a shipment.
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
    AsInCalm,
}

impl Plan {
    pub fn new(seed: u64, documents: usize, time: Duration) -> anyhow::Result<Self> {
        // Apart, so that a change of one does not change the other.
        let mut chance = Random::new(seed);
        let (mut sending, breaking) = (Random::new(chance.number()), Random::new(chance.number()));
        let mut shipments = cargo::load(&mut sending, documents)?;
        sending.shuffle(&mut shipments);
        // The last ones are sent while things still break.
        let end = time.mul_f64(0.9);
        for shipment in &mut shipments {
            shipment.at = sending.between(Duration::ZERO, end);
        }
        Ok(Self { shipments, blows: blows::draw(breaking, time) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_repeats_a_plan_and_every_document_has_words_of_its_own() {
        let plan = |seed| Plan::new(seed, 200, Duration::from_secs(60)).unwrap();
        let told = |plan: &Plan| {
            let blows = plan.blows.iter().map(|blow| format!("{blow:?}")).collect::<Vec<_>>();
            (plan.shipments.iter().map(|s| (s.at, s.id.clone())).collect::<Vec<_>>(), blows)
        };
        assert_eq!(told(&plan(7)), told(&plan(7)));
        assert_ne!(told(&plan(7)), told(&plan(8)));

        let plan = plan(7);
        let documents: Vec<&Document> = plan.shipments.iter().flat_map(|s| &s.documents).collect();
        assert!((200..230).contains(&documents.len()), "{}", documents.len());
        let ids: HashSet<_> = documents.iter().map(|d| (&d.project, &d.id)).collect();
        assert_eq!(ids.len(), documents.len());
        let words: Vec<_> = documents.iter().flat_map(|d| &d.words).collect();
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
        for end in [End::Indexed, End::Superseded, End::Fails, End::Deleted] {
            assert!(documents.iter().any(|document| document.end == end), "{end:?}");
        }
        for target in [Target::Nats, Target::Postgres, Target::Redis, Target::Api, Target::QueryWorker] {
            assert!(plan.blows.iter().any(|blow| blow.target == target), "{target:?}");
        }
    }
}
