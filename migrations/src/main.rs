//! `acorag-migrate`: run it before each rollout; running it again does no harm.

use clap::Parser;
use migrations::StreamSettings;
use platform::{nats, postgres, telemetry};

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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let _telemetry = telemetry::init(&config.telemetry, "migrate")?;
    let pool = config.postgres.connect("acorag-migrate", &[]).await?;
    migrations::postgres(&pool).await?;
    tracing::info!("PostgreSQL is up to date");
    let nats = config.nats.connect("acorag-migrate").await?;
    migrations::nats(&nats, &config.streams).await?;
    tracing::info!("NATS is up to date");
    Ok(())
}
