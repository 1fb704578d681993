//! `devstack with-acorag`

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use devstack::{Location, Options, free_port, report};

use super::run::{exit_code, finish, foreground};
use super::servers::{self, Given};
use super::up;
use crate::acorag::{Acorag, Plan};
use crate::interrupt::Interrupt;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    limits: Limits,
    /// How many ingest workers to run
    #[arg(long, env = "INGEST_WORKERS", default_value_t = 1)]
    ingest_workers: u32,
    /// How many query workers to run
    #[arg(long, env = "QUERY_WORKERS", default_value_t = 1)]
    query_workers: u32,
    /// The command; it finds acorag by ACORAG_URL and everything else as with `devstack run`
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// The api's rate limits, which are off unless they are set.
#[derive(clap::Args)]
struct Limits {
    /// Searches of one caller
    #[arg(long, env = "RATE_LIMIT_SEARCH", default_value = "off")]
    rate_limit_search: String,
    /// Chat messages of one caller
    #[arg(long, env = "RATE_LIMIT_CHAT", default_value = "off")]
    rate_limit_chat: String,
    /// Uploads of one caller
    #[arg(long, env = "RATE_LIMIT_UPLOAD", default_value = "off")]
    rate_limit_upload: String,
}

pub async fn with_acorag(location: Location, arguments: Arguments) -> Result<ExitCode> {
    let logs = location.folder()?.join("log").join("with-acorag");
    report(format_args!("starting acorag on free ports; the logs are in {}", logs.display()));
    let options = Options { logs: Some(up::fresh(&logs)?), location: Some(location), ..Options::default() };
    let stack = servers::start(arguments.given.apply(options)).await?;
    let mut interrupt = Interrupt::new()?;
    let mut command = foreground(&arguments.command);
    for (name, value) in stack.environment() {
        command = command.env(name, value);
    }
    let limits = arguments.limits;
    let plan = Plan {
        port: free_port()?,
        logs,
        settings: vec![
            ("BIND", "127.0.0.1".to_owned()),
            ("RATE_LIMIT_SEARCH", limits.rate_limit_search),
            ("RATE_LIMIT_CHAT", limits.rate_limit_chat),
            ("RATE_LIMIT_UPLOAD", limits.rate_limit_upload),
        ],
        ingest_workers: arguments.ingest_workers,
        query_workers: arguments.query_workers,
    };
    let mut acorag = tokio::select! {
        acorag = Acorag::start(stack, plan) => acorag?,
        _ = interrupt.next() => return Ok(ExitCode::from(130)),
    };
    let process = command.env("ACORAG_URL", acorag.url()).start()?;
    let status = tokio::select! {
        status = finish(process, &mut interrupt) => status?,
        failed = acorag.supervise() => match failed? {},
    };
    // In silence: the command's last line is the last line.
    acorag.stop().await?;
    Ok(exit_code(status))
}
