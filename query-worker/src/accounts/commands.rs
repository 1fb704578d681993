//! `acorag-query-worker keys …` and `… users …`: commands of the operator for API keys and accounts.
//!
//! The commands connect as the owner of the tables. The worker does not, so it cannot give itself a key.

mod keys;
mod users;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use platform::postgres;
use schemas::{ProjectId, account::Role};

/// Manages API keys and accounts. DATABASE_URL must name a user that owns the tables of acorag.
#[derive(Debug, Parser)]
#[command(version, name = "acorag-query-worker")]
pub struct Cli {
    #[command(flatten)]
    postgres: postgres::Config,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// API keys, for programs
    #[command(subcommand)]
    Keys(keys::Command),
    /// User accounts, for people
    #[command(subcommand)]
    Users(users::Command),
}

/// A role, and the projects for which it is valid.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
struct Rights {
    /// What the key or account may do
    #[arg(long, value_parser = parse_role, default_value = "read")]
    role: Role,
    /// A project that the key or account may use; may be given several times
    #[arg(long = "project", required_unless_present = "all_projects")]
    projects: Vec<ProjectId>,
    /// Allow all projects, also future ones
    #[arg(long, conflicts_with = "projects")]
    all_projects: bool,
}

impl Rights {
    /// The projects as the tables store them: None means all projects.
    fn projects(&self) -> Option<Vec<&str>> {
        (!self.all_projects).then(|| self.projects.iter().map(ProjectId::as_str).collect())
    }
}

/// The usual causes when PostgreSQL refuses a command.
const HINT: &str = "does DATABASE_URL name the owner of the tables, and has acorag-migrate run?";

impl Cli {
    /// Parses the arguments as a command; None if they start the worker.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let is_command = arguments.iter().skip(1).any(|argument| argument == "keys" || argument == "users");
        is_command.then(|| Self::parse_from(arguments))
    }

    /// Runs the command and returns the text to print.
    pub async fn run(self) -> anyhow::Result<String> {
        let pool = self.postgres.connect("acorag-accounts").await?;
        let done = match self.command {
            Command::Keys(command) => keys::run(&pool, command).await,
            Command::Users(command) => users::run(&pool, command).await,
        };
        done.map_err(|error| if error.is::<sqlx::Error>() { error.context(HINT) } else { error })
    }
}

fn parse_role(name: &str) -> Result<Role, String> {
    Role::from_name(name).ok_or_else(|| "one of read, write, admin".to_owned())
}

fn projects(projects: Option<Vec<String>>) -> String {
    match projects {
        None => "all projects".to_owned(),
        Some(projects) if projects.is_empty() => "no project".to_owned(),
        Some(projects) => projects.join(", "),
    }
}

/// Returns a list for the terminal, one row per line.
fn lines(of: &str, rows: impl ExactSizeIterator<Item = String>) -> String {
    if rows.len() == 0 { format!("no {of}\n") } else { rows.map(|row| row + "\n").collect() }
}
