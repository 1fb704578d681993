//! Prepares PostgreSQL and NATS as the services expect them. The services check the result and never change it.

mod streams;
mod vectors;

use anyhow::Context as _;
use platform::nats::Nats;
use sqlx::PgPool;

pub use streams::StreamSettings;

/// Applies the SQL that is not applied yet. This is safe at any time, for several processes at once, and on a database
/// that a later release has migrated: to roll a release back, start the previous one.
pub async fn postgres(pool: &PgPool) -> anyhow::Result<()> {
    let mut migrator = sqlx::migrate!("./sql");
    migrator.set_ignore_missing(true).run(pool).await.context("migrating PostgreSQL")
}

/// Creates the vector indexes of large projects that are missing, and drops those that are no longer needed. This takes
/// minutes or hours, and no service waits for it, so it is no part of a migration.
pub async fn index_vectors(pool: &PgPool) -> anyhow::Result<()> {
    vectors::index(pool).await
}

/// Creates the streams, the consumers and the object store, or updates their settings.
pub async fn nats(nats: &Nats, settings: &StreamSettings) -> anyhow::Result<()> {
    streams::apply(nats, settings).await
}
