//! Keeps the keyword index of all projects together small. Each job does what its own project needs ([`crate::jobs`]).

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(5);

pub async fn tidy(pool: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let tidying = stopping.run_until_cancelled(documents::index::tidy_all(&pool));
        if let Some(Err(error)) = tidying.await {
            tracing::warn!(%error, "the keyword index was not tidied");
        }
    }
    Ok(())
}
