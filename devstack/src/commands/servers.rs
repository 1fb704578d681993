//! The servers a command works with: its own, or those it is given.

use anyhow::Result;
use devstack::{Options, Ports, Stack, free_port, is_free, report};

/// Servers that run already. One that is given is not started.
#[derive(Debug, Clone, clap::Args)]
pub struct Given {
    /// A NATS server to use
    #[arg(long, env = "NATS_URL")]
    nats_url: Option<String>,
    /// A PostgreSQL database to use
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A Redis server to use
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
}

impl Given {
    pub fn apply(self, options: Options) -> Options {
        let set = |url: Option<String>| url.filter(|url| !url.is_empty());
        Options {
            nats_url: set(self.nats_url),
            database_url: set(self.database_url),
            redis_url: set(self.redis_url),
            ..options
        }
    }
}

/// Before any signal is caught: Ctrl-C still ends the fetching, and the servers with this process.
pub async fn start(options: Options) -> Result<Stack> {
    tokio::task::spawn_blocking(|| Stack::start(options)).await?
}

/// The well-known ports, as far as nobody uses them.
pub fn well_known_ports() -> Result<Ports> {
    Ok(Ports::Fixed {
        nats: prefer(4222, "NATS")?,
        nats_monitor: prefer(8222, "NATS' monitoring")?,
        postgres: prefer(5432, "PostgreSQL")?,
        redis: prefer(6379, "Valkey")?,
    })
}

fn prefer(port: u16, server: &str) -> Result<u16> {
    if is_free(port) {
        return Ok(port);
    }
    let other = free_port()?;
    report(format_args!("port {port} is taken: {server} gets {other}"));
    Ok(other)
}
