use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use platform::{health::Probe, lifecycle, telemetry};
use query_worker::{accounts::commands, app::App, config::Config};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    lifecycle::close_to_others()?;
    if Probe::is_called() {
        return Probe::parse().run();
    }
    if let Some(command) = commands::Cli::from_arguments(std::env::args_os()) {
        std::io::stdout().write_all(command.run().await?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::parse();
    let _telemetry = telemetry::init(&config.telemetry, "query-worker")?;
    let app = App::build(&config).await?;
    app.run(&config).await?;
    Ok(ExitCode::SUCCESS)
}
