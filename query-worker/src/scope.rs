//! The scope of a transaction (see [`documents::scope`]), and the answer to the caller when a transaction fails.

pub use documents::scope::{Projects, QUERY_ROLE, Tx, begin, begin_reading, projects};
use schemas::Problem;

/// Logs a database error and returns the problem for the caller, which contains no details.
pub fn problem(error: &sqlx::Error) -> Problem {
    tracing::error!(error = %error, "database");
    if platform::postgres::is_transient(error) { Problem::unavailable() } else { Problem::internal() }
}
