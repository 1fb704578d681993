//! `acorag-migrate`: run it before each rollout; running it again does no harm.

use std::time::Duration;

use clap::{Parser, Subcommand};
use migrations::StreamSettings;
use platform::{
    lifecycle::{self, Lifecycle},
    nats, postgres, telemetry,
};
use sqlx::PgPool;

/// Prepares PostgreSQL and NATS for this version of acorag. Run it before the services start.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Config {
    #[command(flatten)]
    postgres: postgres::Config,
    #[command(flatten)]
    nats: nats::Config,
    #[command(flatten)]
    streams: StreamSettings,
    #[command(flatten)]
    telemetry: telemetry::Config,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Only creates the vector indexes of projects that have become large, and drops those of projects that no longer
    /// are
    IndexVectors {
        /// Continue, and look again after this many seconds
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
        every: Option<u64>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    lifecycle::close_to_others()?;
    let config = Config::parse();
    let _telemetry = telemetry::init(&config.telemetry, "migrate")?;
    let pool = config.postgres.connect("acorag-migrate").await?;
    if let Some(Command::IndexVectors { every }) = config.command {
        return match every {
            Some(seconds) => index_vectors(pool, Duration::from_secs(seconds)).await,
            None => migrations::index_vectors(&pool).await,
        };
    }
    migrations::postgres(&pool).await?;
    tracing::info!("PostgreSQL is up to date");
    let nats = config.nats.connect("acorag-migrate").await?;
    migrations::nats(&nats, &config.streams).await?;
    tracing::info!("NATS is up to date");
    Ok(())
}

/// Indexes the vectors again and again until the process is told to stop. The server then completes the index that it is
/// creating, or leaves it invalid, and a later process creates it again.
async fn index_vectors(pool: PgPool, every: Duration) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::default();
    lifecycle.spawn_until_stopped("vector indexes", async move {
        loop {
            if let Err(error) = migrations::index_vectors(&pool).await {
                tracing::warn!(error = format!("{error:#}"), "indexing the vectors of large projects");
            }
            tokio::time::sleep(every).await;
        }
    });
    lifecycle.run(&lifecycle::Config { shutdown_timeout: 5 }).await
}
