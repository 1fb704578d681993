//! `acorag-api`: the HTTP interface.

use api::{App, Config};
use clap::Parser as _;
use platform::{lifecycle::Lifecycle, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    api::app::install_crypto();
    let _telemetry = telemetry::init(&config.telemetry, "api")?;
    let lifecycle = Lifecycle::new();
    let listener = config.listen()?;
    let address = listener.local_addr()?;
    let app = App::connect(&config, lifecycle.stopping()).await?;
    lifecycle.spawn("http", app.serve(&config, listener));
    tracing::info!(%address, "listening");
    lifecycle.run(&config.lifecycle).await
}
