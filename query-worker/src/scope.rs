//! What a transaction sees (see [`documents::scope`]), and what a caller hears when one fails.

pub use documents::scope::{Projects, QUERY_ROLE, begin, begin_reading, projects};
use schemas::Problem;

/// What the caller hears of a database error; the log hears the whole.
pub fn problem(error: &sqlx::Error) -> Problem {
    tracing::error!(error = %error, "database");
    if platform::postgres::is_transient(error) { Problem::unavailable() } else { Problem::internal() }
}
