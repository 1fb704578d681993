use std::process::ExitCode;

use clap::Parser as _;
use ingest_worker::{
    app::App,
    config::{Config, Reader},
    extract,
};
use platform::telemetry;

fn main() -> anyhow::Result<ExitCode> {
    // One document from a stranger, in a process of its own: no runtime, no connections, no secrets.
    if Reader::is_called() {
        let Reader::Extract(args) = Reader::parse();
        return Ok(extract::child::main(&args));
    }
    run(Config::parse())
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let _telemetry = telemetry::init(&config.telemetry, "ingest-worker")?;
    let app = App::build(&config).await?;
    app.run(&config).await?;
    Ok(ExitCode::SUCCESS)
}
