//! The stored document: its row, its states, the transitions between them, and how it is read.
//!
//! Each transition is one transaction, which sees the projects of its job only, and may run twice.

pub mod commit;
pub mod delete;
pub mod fail;
pub mod import;
pub mod index;
mod job;
pub mod read;
mod revision;
mod row;
pub mod scope;
pub mod start;

pub use commit::{Committed, Content, Passage};
pub use job::Job;
pub use row::is_settled;

use schemas::{DocumentId, ingest::IngestDocument};

/// A revision that answers again, and the job that brings it back.
pub type Revived = (DocumentId, IngestDocument);

#[cfg(test)]
mod tests;
