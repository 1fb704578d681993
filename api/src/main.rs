//! `acorag-api`: the HTTP interface.

use std::process::ExitCode;

use api::{App, Config, health::Probe, server};
use clap::Parser as _;
use platform::{
    health,
    lifecycle::{self, Lifecycle},
    telemetry,
};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    lifecycle::close_to_others()?;
    api::app::install_crypto();
    if health::Probe::is_called() {
        return Probe::parse().run().await;
    }
    let config = Config::parse();
    let _telemetry = telemetry::init(&config.telemetry, "api")?;
    let lifecycle = Lifecycle::default();
    let listener = config.listen()?;
    let address = listener.local_addr()?;
    let app = App::connect(&config, lifecycle.stopping()).await?;
    lifecycle.spawn_until_stopped("nats", app.nats.clone().watch());
    lifecycle.spawn("http", server::serve(app, config.clone(), listener));
    tracing::info!(%address, "listening");
    lifecycle.run(&config.lifecycle).await?;
    Ok(ExitCode::SUCCESS)
}
