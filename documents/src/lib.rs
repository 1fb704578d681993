//! The stored document: its row, its states, the transitions between them, and how it is read.
//!
//! Each transition is one transaction, except that a deletion may be many. It sees only the projects of its job, and it is
//! safe to run it twice.

pub mod commit;
pub mod delete;
pub mod fail;
pub mod import;
pub mod index;
mod job;
pub mod model;
mod parents;
pub mod passages;
pub mod read;
mod revision;
mod revive;
mod row;
pub mod scope;
pub mod sentences;
pub mod start;

pub use commit::{Committed, Content, WithWords};
pub use job::Job;
pub use parents::{ATTACHMENT, is_settled};
pub use passages::Passage;

use chrono::{DateTime, Utc};
use schemas::{DocumentId, ingest::IngestDocument};

/// A revision that becomes the current one again.
#[derive(Debug, Clone, PartialEq)]
pub struct Revived {
    pub document: DocumentId,
    /// The job that indexes it again.
    pub job: IngestDocument,
    /// When the job was first accepted.
    pub since: DateTime<Utc>,
}

#[cfg(test)]
mod tests;
