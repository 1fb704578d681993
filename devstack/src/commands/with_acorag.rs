//! `devstack with-acorag`: runs a command with acorag and temporary data.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use devstack::{Location, Options, free_port, report};

use super::run::{exit_code, finish, foreground};
use super::servers::Given;
use super::up;
use crate::acorag::{Acorag, Plan, Workers};
use crate::interrupt::Interrupt;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    given: Given,
    // Settings that would limit the command are off by default.
    /// Whether callers need a key (`required`) or not (`off`)
    #[arg(long, env = "AUTH", default_value = "off")]
    auth: String,
    /// Rate limit for searches of one caller
    #[arg(long, env = "RATE_LIMIT_SEARCH", default_value = "off")]
    rate_limit_search: String,
    /// Rate limit for chats of one caller
    #[arg(long, env = "RATE_LIMIT_CHAT", default_value = "off")]
    rate_limit_chat: String,
    /// Rate limit for uploads of one caller
    #[arg(long, env = "RATE_LIMIT_UPLOAD", default_value = "off")]
    rate_limit_upload: String,
    #[command(flatten)]
    workers: Workers,
    /// The command to run. Its environment has ACORAG_URL, ACORAG_METRICS (all metrics URLs) and that of `devstack run`
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub async fn with_acorag(location: Location, arguments: Arguments) -> Result<ExitCode> {
    let logs = location.folder()?.join("log").join("with-acorag");
    report(format_args!("starting acorag on free ports; the logs are in {}", logs.display()));
    let options = Options { logs: Some(up::fresh(&logs)?), location: Some(location), ..Options::default() };
    let stack = arguments.given.start(options).await?;
    let mut interrupt = Interrupt::new()?;
    let mut environment = arguments.given.environment(&stack);
    let command = foreground(&arguments.command).envs(environment.clone());
    environment.extend([
        ("BIND", "127.0.0.1".into()),
        ("AUTH", arguments.auth.into()),
        ("RATE_LIMIT_SEARCH", arguments.rate_limit_search.into()),
        ("RATE_LIMIT_CHAT", arguments.rate_limit_chat.into()),
        ("RATE_LIMIT_UPLOAD", arguments.rate_limit_upload.into()),
    ]);
    let port = free_port()?;
    let url = format!("http://127.0.0.1:{port}");
    let plan = Plan { url, port, logs, environment, workers: arguments.workers };
    let mut acorag = tokio::select! {
        acorag = Acorag::start(stack, plan) => acorag?,
        _ = interrupt.next() => return Ok(ExitCode::from(130)),
    };
    let process = command
        .env("ACORAG_URL", acorag.url())
        .env("ACORAG_METRICS", acorag.metrics().collect::<Vec<_>>().join(" "))
        .start()?;
    let status = tokio::select! {
        status = finish(process, &mut interrupt) => status?,
        failed = acorag.supervise() => match failed? {},
    };
    // Nothing is printed here, so that the last line is the command's.
    acorag.stop().await?;
    Ok(exit_code(status))
}
