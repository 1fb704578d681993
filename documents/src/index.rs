//! The keyword index: which passages hold a term, compressed in rows of PostgreSQL.
//!
//! A commit writes the words of its document into `posting_pending` ([`pending`]), which searches read completely. When
//! a project has enough of these rows, they are merged into `posting` ([`merge`]). Its rows hold up to 256 passages
//! with one term ([`block`]), and a search reads only the rows of its own terms ([`read`], [`top`]). Removed passages
//! are listed in `posting_dead` until their postings are purged ([`purge`]).

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
#[cfg(test)]
pub use merge::tidy_at;
pub use merge::{tidy, tidy_all};
pub use pending::{New, Word, insert};
pub use top::{Allowed, Found, Query, Top};
pub use verify::wrong;
