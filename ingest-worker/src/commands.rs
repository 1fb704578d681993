//! The commands of this program for operators, besides running the worker.

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};
use platform::{
    nats::{self, objects::Objects},
    postgres,
};

use crate::{
    dead_letters::{self, Letters},
    model,
    sweep::{GRACE_DAYS, Sweep},
};

/// Commands of the ingest worker.
#[derive(Debug, Parser)]
#[command(version, name = "acorag-ingest-worker")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists messages that failed for good, queues them again or discards them
    DeadLetters {
        #[command(flatten)]
        nats: nats::Config,
        #[command(subcommand)]
        command: dead_letters::commands::Command,
    },
    /// Replaces the embedding model while searches go on
    #[command(subcommand)]
    Model(model::commands::Command),
    /// Removes files that no document and no job refers to, as one of the workers does every hour
    Sweep {
        #[command(flatten)]
        nats: nats::Config,
        #[command(flatten)]
        postgres: postgres::Config,
        /// Remove only files older than this many days; use 0 only while nobody uploads
        #[arg(long, default_value_t = GRACE_DAYS)]
        older_than: u16,
    },
}

/// Added to the nice value of this program when it runs a command.
pub const NICE: i32 = 15;
/// The name of the commands' connections.
const SERVICE: &str = "acorag-ingest-worker-command";

impl Cli {
    /// Returns the command in this process's arguments; `None` if they start the worker.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let is_command =
            arguments.get(1).is_some_and(|first| Self::command().find_subcommand(first).is_some());
        is_command.then(|| Self::parse_from(arguments))
    }

    /// Runs the command and returns the text to print.
    pub async fn run(self) -> anyhow::Result<String> {
        match self.command {
            Command::DeadLetters { nats, command } => {
                command.run(&Letters(nats.connect(SERVICE).await?)).await
            }
            Command::Model(command) => command.run().await,
            Command::Sweep { nats, postgres, older_than } => {
                let nats = nats.connect(SERVICE).await?;
                let objects = Objects::open(&nats).await?;
                let pool = postgres.connect(SERVICE).await?;
                let removed = Sweep { nats, objects, pool }.once(older_than).await?;
                Ok(format!("{removed} removed\n"))
            }
        }
    }
}
