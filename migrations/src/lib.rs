//! Brings PostgreSQL and NATS to the form the services expect. Services check it and never change it.

mod streams;
mod vectors;

use anyhow::Context as _;
use platform::nats::Nats;
use sqlx::PgPool;

pub use streams::StreamSettings;

/// Applies the SQL that is not yet applied. Safe to run at any time, by several at once, and on a database that a later
/// release has migrated: a release is rolled back by starting the one before.
pub async fn postgres(pool: &PgPool) -> anyhow::Result<()> {
    let mut migrator = sqlx::migrate!("./sql");
    migrator.set_ignore_missing(true).run(pool).await.context("migrating PostgreSQL")?;
    vectors::index(pool).await
}

/// Creates the streams, consumers and the object store, or brings their settings up to date.
pub async fn nats(nats: &Nats, settings: &StreamSettings) -> anyhow::Result<()> {
    streams::apply(nats, settings).await
}
