//! Prepares PostgreSQL and NATS as the services expect them. The services check the result and never change it.

mod streams;
mod vectors;

use std::time::Duration;

use anyhow::Context as _;
use sqlx::{PgPool, migrate::MigrateError, postgres::PgPoolOptions};

pub use streams::{StreamSettings, nats};
pub use vectors::index_vectors;

/// Applies the SQL that is not applied yet. This is safe at any time, for several processes at once, and on a database
/// that a later release has migrated: to roll a release back, start the previous one.
pub async fn postgres(pool: &PgPool) -> anyhow::Result<()> {
    let mut migrator = sqlx::migrate!("./sql");
    let migrator = migrator.set_ignore_missing(true);
    let mut attempts = ATTEMPTS;
    loop {
        // A failed migration leaves its advisory lock to its connection, which is therefore closed.
        let options = pool.connect_options().as_ref().clone();
        let connection = PgPoolOptions::new().max_connections(1).connect_with(options).await?;
        let migrated = migrator.run(&connection).await;
        connection.close().await;
        match migrated {
            Err(MigrateError::ExecuteMigration(error, version)) if is_locked(&error) && attempts > 0 => {
                tracing::info!(version, "a table is in use; the migration is tried again");
                attempts -= 1;
                tokio::time::sleep(PAUSE).await;
            }
            migrated => return migrated.context("migrating PostgreSQL"),
        }
    }
}

/// Number of times that a migration is tried again because a service uses a table, and the pause before each.
const ATTEMPTS: u32 = 120;
const PAUSE: Duration = Duration::from_millis(500);

/// Whether the statement ended because it would have had to wait for a lock, or because of a deadlock.
fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(&*code, "55P03" | "40P01"))
}
