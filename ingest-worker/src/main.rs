use std::process::ExitCode;

use clap::Parser as _;
use ingest_worker::{
    app::App,
    config::{Cli, Command, Config},
    extract,
};
use platform::telemetry;

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.command {
        // One document from a stranger, in a process of its own: no runtime, no connections, no secrets.
        Some(Command::Extract(args)) => Ok(extract::child::main(&args)),
        None => run(cli.config),
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let _telemetry = telemetry::init(&config.telemetry, "ingest-worker")?;
    let app = App::build(&config).await?;
    app.run(&config).await?;
    Ok(ExitCode::SUCCESS)
}
