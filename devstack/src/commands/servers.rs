//! The servers a command works with: its own, or those it is given.

use std::ffi::OsString;

use anyhow::Result;
use devstack::{Options, Ports, Stack, free_port, is_free, report};

/// What is there already. A server that is given is not started.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
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
    /// An embedding model to use
    #[arg(long, env = "MODEL_DIR")]
    model_dir: Option<OsString>,
    /// An ONNX Runtime library to use
    #[arg(long, env = "ORT_DYLIB_PATH")]
    ort_dylib_path: Option<OsString>,
    /// A PDFium library to use
    #[arg(long, env = "PDFIUM_PATH")]
    pdfium_path: Option<OsString>,
}

impl Given {
    /// How the programs on a stack find everything.
    pub fn environment(&self, stack: &Stack) -> Vec<(&'static str, OsString)> {
        let given = [
            ("MODEL_DIR", &self.model_dir),
            ("ORT_DYLIB_PATH", &self.ort_dylib_path),
            ("PDFIUM_PATH", &self.pdfium_path),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        // The later of two values counts.
        stack.environment().into_iter().chain(given.filter(|(_, value)| !value.is_empty())).collect()
    }

    pub fn apply(&self, options: Options) -> Options {
        let set = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
        Options {
            nats_url: set(&self.nats_url),
            database_url: set(&self.database_url),
            redis_url: set(&self.redis_url),
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
    Ok(Ports {
        nats: prefer(4222, "NATS")?,
        nats_monitor: prefer(8222, "NATS' monitoring")?,
        postgres: prefer(5432, "PostgreSQL")?,
        redis: prefer(6379, "Valkey")?,
    })
}

fn prefer(port: u16, server: &str) -> Result<Option<u16>> {
    if is_free(port) {
        return Ok(Some(port));
    }
    let other = free_port()?;
    report(format_args!("port {port} is taken: {server} gets {other}"));
    Ok(Some(other))
}
