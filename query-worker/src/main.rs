use std::{io::Write as _, process::ExitCode, thread::available_parallelism};

use clap::Parser as _;
use platform::{health::Probe, lifecycle, telemetry};
use query_worker::{accounts::commands, app::App, config::Config};
use tokio::runtime::Runtime;

fn main() -> anyhow::Result<ExitCode> {
    lifecycle::close_to_others()?;
    if Probe::is_called() {
        return Probe::parse().run();
    }
    runtime()?.block_on(run())
}

/// The threads of everything but the model, which has its own. All else in a search takes a seventh of the model's time, so
/// threads for a quarter of the processors are enough, and one thread that is always awake costs less than two that wake each
/// other up. `TOKIO_WORKER_THREADS` sets another number.
fn runtime() -> std::io::Result<Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        runtime.worker_threads(available_parallelism().map_or(1, |processors| processors.get().div_ceil(4)));
    }
    runtime.enable_all().build()
}

async fn run() -> anyhow::Result<ExitCode> {
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
