//! `devstack up`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use devstack::{Data, Location, Options, is_free, report};

use super::servers::{self, Given};
use crate::acorag::{Acorag, Plan};
use crate::interrupt::Interrupt;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub given: Given,
    /// Port of the api on 127.0.0.1
    #[arg(long, env = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// How many ingest workers to run
    #[arg(long, env = "INGEST_WORKERS", default_value_t = 1)]
    pub ingest_workers: u32,
    /// How many query workers to run
    #[arg(long, env = "QUERY_WORKERS", default_value_t = 1)]
    pub query_workers: u32,
}

pub async fn up(location: Location, arguments: Arguments) -> Result<ExitCode> {
    let (acorag, interrupt) = start(location, arguments, "data", Vec::new()).await?;
    serve(acorag, interrupt).await
}

/// Starts everything on well-known ports; on an interruption there is nothing to use.
pub async fn start(
    location: Location,
    arguments: Arguments,
    data: &str,
    settings: Vec<(&'static str, String)>,
) -> Result<(Option<Acorag>, Interrupt)> {
    let port = arguments.port;
    ensure!(is_free(port), "port {port} is taken; stop what listens there, or choose another: PORT=8001");
    let folder = location.folder()?;
    let logs = folder.join("log");
    report(format_args!("starting NATS, PostgreSQL and Valkey; the logs are in {}", logs.display()));
    let options = Options {
        ports: servers::well_known_ports()?,
        data: Data::At(folder.join(data)),
        logs: Some(fresh(&logs)?),
        location: Some(location),
        ..Options::default()
    };
    let stack = servers::start(arguments.given.apply(options)).await?;
    let mut interrupt = Interrupt::new()?;
    report(format_args!("starting acorag on port {port}"));
    let plan = Plan {
        port,
        logs,
        settings,
        ingest_workers: arguments.ingest_workers,
        query_workers: arguments.query_workers,
    };
    tokio::select! {
        acorag = Acorag::start(stack, plan) => {
            let acorag = acorag?;
            println!("ready: {}", acorag.url());
            Ok((Some(acorag), interrupt))
        }
        _ = interrupt.next() => Ok((None, interrupt)),
    }
}

/// Keeps everything running until an interruption; a second one does not wait for the end.
pub async fn serve(acorag: Option<Acorag>, mut interrupt: Interrupt) -> Result<ExitCode> {
    let Some(mut acorag) = acorag else { return Ok(ExitCode::SUCCESS) };
    let outcome = tokio::select! {
        failed = acorag.supervise() => failed.map(|never| match never {}),
        _ = interrupt.next() => Ok(ExitCode::SUCCESS),
    };
    stop(acorag, &mut interrupt).await?;
    outcome
}

pub async fn stop(acorag: Acorag, interrupt: &mut Interrupt) -> Result<()> {
    report("stopping the api, the workers and the servers");
    tokio::select! {
        stopped = acorag.stop() => stopped,
        _ = interrupt.next() => {
            report("not waiting any longer");
            // The kernel ends the children with this process.
            std::process::exit(130)
        }
    }
}

/// The folder for the logs, without those of the last time.
pub fn fresh(logs: &Path) -> Result<std::path::PathBuf> {
    std::fs::create_dir_all(logs).with_context(|| format!("cannot create {}", logs.display()))?;
    for entry in std::fs::read_dir(logs)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(logs.to_owned())
}
