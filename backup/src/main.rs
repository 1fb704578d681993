//! `acorag-backup`: backs up PostgreSQL, the original files and the queue, verifies the backups, and restores them.

#![allow(clippy::print_stdout, reason = "a command line tool talks to people")]

mod base;
mod database;
mod files;
mod messages;
mod repository;
mod restore;
mod run;
mod seal;
mod timeline;
mod verify;
mod wal;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use platform::telemetry;
use repository::{Repository, Source, Target};
use tokio::signal::unix::{SignalKind, signal};

/// Backs up the database, the original files and the queue, encrypted; verifies and restores the backups.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Config {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    telemetry: telemetry::Config,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a key pair: writes the identity to a new FILE, to be stored elsewhere, and prints the public key
    Keygen { file: PathBuf },
    /// Store a finished file of the write-ahead log; for archive_command: acorag-backup archive %p
    Archive {
        file: PathBuf,
        /// The name of the file in the archive, if it differs from FILE
        name: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Fetch a file of the write-ahead log; for restore_command: acorag-backup fetch-wal %f %p
    FetchWal {
        name: String,
        to: PathBuf,
        #[command(flatten)]
        source: Source,
    },
    /// Make a backup
    Run(Box<run::Options>),
    /// Decrypt and verify all backups
    Verify(verify::Options),
    /// Restore everything into empty servers
    Restore(Box<restore::Options>),
}

/// PostgreSQL interprets exit codes up to 125 as "the file does not exist" and continues; above 125 it stops recovery.
const STOP_RECOVERY: u8 = 200;
const INTERRUPTED: u8 = 130;
/// The time that an interrupted command may take to clean up.
const CLEAN_UP: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let config = Config::parse();
    let failed = if matches!(config.command, Command::FetchWal { .. }) { STOP_RECOVERY } else { 1 };
    start(config).unwrap_or_else(|error| {
        eprintln!("acorag-backup: {error:#}");
        ExitCode::from(failed)
    })
}

fn start(config: Config) -> Result<ExitCode> {
    let _telemetry = telemetry::init(&config.telemetry, "backup")?;
    match config.command {
        Command::Keygen { file } => {
            println!("{}", seal::keygen(&file)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Archive { file, name, target } => {
            let name =
                name.as_deref().or_else(|| file.file_name()?.to_str()).context("a file without a name")?;
            wal::archive(&Repository::new(&target.backup_dir)?, &target.backup_recipient, &file, name)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::FetchWal { name, to, source } => {
            let identity = seal::identity(&source.backup_identity)?;
            let found = wal::fetch(&Repository::new(&source.backup_dir)?, &identity, &name, &to)?;
            Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Run(options) => until_interrupted(async move { run::run(&options).await }),
        Command::Verify(options) => until_interrupted(async move { verify::verify(&options).await }),
        Command::Restore(options) => until_interrupted(async move { restore::restore(&options).await }),
    }
}

/// Runs the command until it ends, or until Ctrl-C or SIGTERM. An interrupted backup is not valid.
fn until_interrupted(work: impl Future<Output = Result<()>> + Send + 'static) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        // The command has a separate task, because it also blocks its thread.
        let mut work = tokio::spawn(work);
        tokio::select! {
            result = &mut work => return result?.map(|()| ExitCode::SUCCESS),
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        eprintln!("acorag-backup: interrupted; nothing that was half done counts");
        work.abort();
        let _ = tokio::time::timeout(CLEAN_UP, work).await;
        Ok(ExitCode::from(INTERRUPTED))
    });
    runtime.shutdown_background();
    code
}
