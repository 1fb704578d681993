//! Errors of queries, and what the caller learns about them.

use schemas::Problem;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("embedding model: {0}")]
    Model(#[from] embedding::Error),
    /// A refusal that is sent to the caller unchanged.
    #[error("{}", .0.detail.en)]
    Refused(Problem),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// Logs the cause once; the caller only learns whether another attempt makes sense.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match &error {
            Error::Database(cause) => {
                tracing::error!(%error, "a query failed");
                if platform::postgres::is_transient(cause) { Self::unavailable() } else { Self::internal() }
            }
            Error::Model(cause) => {
                tracing::warn!(%error, "a query failed");
                if cause.is_transient() { Self::overloaded() } else { Self::internal() }
            }
            Error::Refused(problem) => problem.clone(),
        }
    }
}
