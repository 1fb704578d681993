//! `acorag-query-worker keys …` and `… users …`: the operator gives out and takes back keys and accounts.
//!
//! These commands connect as the owner of the tables. The worker does not: it cannot give itself a key.

mod keys;
mod users;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use platform::postgres;
use schemas::{ProjectId, account::Role};

/// Gives out and takes back API keys and accounts. DATABASE_URL names a user that owns acorag's tables.
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

/// What somebody may do, and where.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
struct Rights {
    /// What it allows
    #[arg(long, value_parser = parse_role, default_value = "read")]
    role: Role,
    /// A project it is for; may be given several times
    #[arg(long = "project", required_unless_present = "all_projects")]
    projects: Vec<ProjectId>,
    /// For every project, those to come included
    #[arg(long, conflicts_with = "projects")]
    all_projects: bool,
}

impl Rights {
    /// As the tables hold it: none is all.
    fn projects(&self) -> Option<Vec<&str>> {
        (!self.all_projects).then(|| self.projects.iter().map(ProjectId::as_str).collect())
    }
}

/// What is usually wrong when PostgreSQL refuses a command.
const HINT: &str = "does DATABASE_URL name the owner of the tables, and has acorag-migrate run?";

impl Cli {
    /// The command in these arguments; none when they start the worker.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let is_command = arguments.iter().skip(1).any(|argument| argument == "keys" || argument == "users");
        is_command.then(|| Self::parse_from(arguments))
    }

    /// Does it, and returns what to print.
    pub async fn run(self) -> anyhow::Result<String> {
        let pool = self.postgres.connect("acorag-accounts", &[]).await?;
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

/// A list for the terminal, a row a line.
fn lines(of: &str, rows: impl ExactSizeIterator<Item = String>) -> String {
    if rows.len() == 0 { format!("no {of}\n") } else { rows.map(|row| row + "\n").collect() }
}
