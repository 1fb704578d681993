//! The keyword index: which passages hold a term, compressed in rows of PostgreSQL.
//!
//! A commit writes the words of its document into `posting_pending` ([`pending`]), where searches read them whole. When a
//! project has enough of them, they are merged into `posting` ([`merge`]): rows of up to 256 passages with one term
//! ([`block`]), of which a search reads those of its words only ([`read`], [`top`]). Passages that go are named in
//! `posting_dead` until their postings are purged ([`purge`]).

mod block;
mod merge;
mod pending;
mod purge;
mod read;
#[cfg(test)]
mod tests;
mod top;
mod verify;

pub use block::Posting;
pub use merge::tidy;
#[cfg(test)]
pub use merge::tidy_at;
pub use pending::{Word, insert};
pub use read::{Index, Read};
pub use top::{Query, Top};
pub use verify::wrong;
