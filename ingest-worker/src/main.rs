use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use ingest_worker::{app::App, config::Config, dead_letters};
use platform::{health::Probe, lifecycle, telemetry};

fn main() -> anyhow::Result<ExitCode> {
    lifecycle::close_to_others()?;
    if Probe::is_called() {
        return Probe::parse().run();
    }
    run()
}

#[tokio::main]
async fn run() -> anyhow::Result<ExitCode> {
    if let Some(command) = dead_letters::Cli::from_arguments(std::env::args_os()) {
        std::io::stdout().write_all(command.run().await?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::parse();
    let _telemetry = telemetry::init(&config.telemetry, "ingest-worker")?;
    let app = App::build(&config).await?;
    app.run(&config).await?;
    Ok(ExitCode::SUCCESS)
}
