//! `acorag-backup`: backs up PostgreSQL, the original files and the queue; checks and restores them.

#![allow(clippy::print_stdout, reason = "a command line tool talks to people")]

mod base;
mod database;
mod files;
mod messages;
mod repository;
mod restore;
mod run;
mod seal;
mod verify;
mod wal;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use platform::telemetry;
use repository::{Repository, Source, Target};
use tokio::signal::unix::{SignalKind, signal};

/// Backs up the database, the original files and the queue, encrypted; checks and restores them.
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
    /// Make a key pair: the identity into a new FILE, to be kept away from here, and the public key on the screen
    Keygen { file: PathBuf },
    /// Store a finished file of PostgreSQL's log; for archive_command: acorag-backup archive %p
    Archive {
        file: PathBuf,
        /// Its name, when FILE has another
        name: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Bring a file of PostgreSQL's log back; for restore_command: acorag-backup fetch-wal %f %p
    FetchWal {
        name: String,
        to: PathBuf,
        #[command(flatten)]
        source: Source,
    },
    /// Make a backup
    Run(Box<run::Options>),
    /// Decrypt and check everything that is kept
    Verify(verify::Options),
    /// Restore everything into an empty place
    Restore(Box<restore::Options>),
}

/// PostgreSQL takes an exit code up to 125 for "there is no such file" and goes on without it; above, it stops.
const STOP_RECOVERY: u8 = 200;
const INTERRUPTED: u8 = 130;
/// How long an interrupted command may take to put away what it had begun.
const CLEAN_UP: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let config = Config::parse();
    let failed = match config.command {
        Command::FetchWal { .. } => STOP_RECOVERY,
        _ => 1,
    };
    match start(config) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("acorag-backup: {error:#}");
            ExitCode::from(failed)
        }
    }
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

/// Runs to the end, or to Ctrl-C or SIGTERM: nothing that is half done counts then.
fn until_interrupted(work: impl Future<Output = Result<()>> + Send + 'static) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        // In a task of its own: it also does work that blocks.
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
