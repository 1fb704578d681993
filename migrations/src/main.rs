//! `acorag-migrate`: run once before a rollout, as often as you like.

use clap::Parser;
use migrations::StreamSettings;
use platform::{nats, postgres, telemetry};

/// Brings PostgreSQL and NATS to the form that this version of acorag expects. Run it before the services start.
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
