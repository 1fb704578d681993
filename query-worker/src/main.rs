use std::io::Write as _;

use clap::Parser as _;
use platform::telemetry;
use query_worker::{accounts::commands, app::App, config::Config};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if let Some(command) = commands::Cli::from_arguments(std::env::args_os()) {
        return Ok(std::io::stdout().write_all(command.run().await?.as_bytes())?);
    }
    let config = Config::parse();
    let _telemetry = telemetry::init(&config.telemetry, "query-worker")?;
    let app = App::build(&config).await?;
    app.run(&config).await
}
