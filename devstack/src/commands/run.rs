//! `devstack run`: runs a command with the servers.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use devstack::{Launch, Location, Options, Ports, Process, report};

use super::servers::{self, Given};
use crate::interrupt::Interrupt;

const POLL: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub struct Arguments {
    /// Use the default ports 4222 and 8222 (NATS), 5432 (PostgreSQL), 6379 (Valkey), or others where they are in use
    #[arg(long)]
    fixed: bool,
    #[command(flatten)]
    given: Given,
    /// The command to run. Its environment has NATS_URL, DATABASE_URL and REDIS_URL (the servers), ORT_DYLIB_PATH and
    /// PDFIUM_PATH (the libraries) and MODEL_DIR (the model)
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub async fn run(location: Location, arguments: Arguments) -> Result<ExitCode> {
    let ports = if arguments.fixed { servers::well_known_ports()? } else { Ports::default() };
    let options = Options { ports, location: Some(location), ..Options::default() };
    let stack = arguments.given.start(options).await?;
    let mut interrupt = Interrupt::new()?;
    let command = foreground(&arguments.command).envs(arguments.given.environment(&stack));
    let status = finish(command.start()?, &mut interrupt).await?;
    tokio::task::spawn_blocking(|| drop(stack)).await?;
    Ok(exit_code(status))
}

/// Prepares a command that uses the terminal. clap requires at least one word.
pub fn foreground(command: &[OsString]) -> Launch {
    Launch::new(&command[0]).args(&command[1..])
}

/// Waits for the command to end. The terminal sends Ctrl-C to the command too; a termination signal is passed on to it.
pub async fn finish(mut process: Process, interrupt: &mut Interrupt) -> Result<ExitStatus> {
    let mut tick = tokio::time::interval(POLL);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                if let Some(status) = process.ended().context("cannot wait for the command")? {
                    return Ok(status);
                }
            }
            from_terminal = interrupt.next() => match from_terminal {
                true => report("stopping when the command has stopped"),
                false => process.ask_to_stop()?,
            }
        }
    }
}

/// Returns the exit code that a shell would report.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
