use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use ingest_worker::{app::App, commands, config::Config};
use platform::{health::Probe, lifecycle, telemetry};

fn main() -> anyhow::Result<ExitCode> {
    lifecycle::close_to_others()?;
    if Probe::is_called() {
        return Probe::parse().run();
    }
    if let Some(command) = commands::Cli::from_arguments(std::env::args_os()) {
        // Commands, such as making the vectors of another model, leave the processor to the services.
        rustix::process::nice(commands::NICE)?;
        return operate(command);
    }
    let config = Config::parse();
    // Set before other threads exist, because threads and readers inherit it from the thread that starts them.
    rustix::process::nice(config.ingest_nice)?;
    run(&config)
}

#[tokio::main]
async fn operate(command: commands::Cli) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(command.run().await?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let _telemetry = telemetry::init(&config.telemetry, "ingest-worker")?;
    let app = App::build(config).await?;
    app.run(config).await?;
    Ok(ExitCode::SUCCESS)
}
