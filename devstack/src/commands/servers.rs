//! The servers for a command: started by the stack, or given by the user.

use std::ffi::OsString;

use anyhow::Result;
use devstack::{Options, Ports, Stack, free_port, is_free, report};

/// Servers that exist already. A server that is given here is not started.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Given {
    /// URL of a NATS server to use
    #[arg(long, env = "NATS_URL")]
    nats_url: Option<String>,
    /// URL of a PostgreSQL database to use
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// URL of a Redis server to use
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// Folder of an embedding model to use
    #[arg(long, env = "MODEL_DIR")]
    model_dir: Option<OsString>,
    /// Path of an ONNX Runtime library to use
    #[arg(long, env = "ORT_DYLIB_PATH")]
    ort_dylib_path: Option<OsString>,
    /// Path of a PDFium library to use
    #[arg(long, env = "PDFIUM_PATH")]
    pdfium_path: Option<OsString>,
}

impl Given {
    /// The environment in which the programs find the servers, the libraries and the model.
    pub fn environment(&self, stack: &Stack) -> Vec<(&'static str, OsString)> {
        let given = [
            ("MODEL_DIR", &self.model_dir),
            ("ORT_DYLIB_PATH", &self.ort_dylib_path),
            ("PDFIUM_PATH", &self.pdfium_path),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        // If a name occurs twice, the later value counts.
        stack.environment().into_iter().chain(given.filter(|(_, value)| !value.is_empty())).collect()
    }

    /// Starts the servers that are not given. Called before signals are caught, so that Ctrl-C also ends the fetching, and
    /// the servers end with this process.
    pub async fn start(&self, mut options: Options) -> Result<Stack> {
        let set = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
        options.nats_url = set(&self.nats_url);
        options.database_url = set(&self.database_url);
        options.redis_url = set(&self.redis_url);
        tokio::task::spawn_blocking(|| Stack::start(options)).await?
    }
}

/// Returns the default ports, or other free ports where these are in use.
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
