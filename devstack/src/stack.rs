//! A stack of all three servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow};

use crate::data::Folder;
use crate::fetch::{Location, Paths, ensure_in};
use crate::nats::NatsConfiguration;
use crate::ports::{Ports, free_port};
use crate::server::Server;
use crate::{nats, postgres, redis};

/// How many times a start tries other ports when another program has taken them.
const PORT_ATTEMPTS: usize = 3;

/// What to start, and where. Default: all servers, on free ports, with temporary data.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub ports: Ports,
    /// Folder for the servers' data, which is kept. Default: temporary data, which starts empty and is removed at the end.
    pub data: Option<PathBuf>,
    /// A configuration for NATS, besides ports and data. Default: all clients may do everything.
    pub nats: Option<NatsConfiguration>,
    /// Settings of PostgreSQL, as `name=value`.
    pub postgres: Vec<String>,
    /// The URL of a running NATS server; then none is started.
    pub nats_url: Option<String>,
    /// The URL of an existing PostgreSQL database; then no server is started.
    pub database_url: Option<String>,
    /// The URL of a running Redis server; then none is started.
    pub redis_url: Option<String>,
    /// Folder for the servers' logs. Default: in the folder of the data.
    pub logs: Option<PathBuf>,
    /// Folder of the fetched packages. Default: `STACK_DIR`, or `.stack` in the clone.
    pub location: Option<Location>,
}

/// The running servers. Dropping this value stops them and removes temporary data.
pub struct Stack {
    paths: Paths,
    logs: PathBuf,
    nats: Source,
    monitor: u16,
    postgres: Source,
    redis: Source,
    /// The last field, so that the data is removed after the servers are stopped.
    _data: Folder,
}

struct Source {
    url: String,
    /// `None` if the server was given by its URL.
    server: Option<Server>,
}

impl Stack {
    /// Fetches what is missing, starts the servers, and returns when each of them answers.
    pub fn start(options: Options) -> Result<Self> {
        let location = options.location.map_or_else(Location::from_environment, Ok)?;
        let paths = ensure_in(&location)?;
        let data = Folder::open(&paths.stack, options.data.as_deref())?;
        let logs = options.logs.unwrap_or_else(|| data.path.join("log"));
        fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
        let mut settings = options.postgres;
        if options.data.is_none() {
            // Temporary data may be lost in a crash of the machine.
            settings.insert(0, "synchronous_commit=off".to_owned());
        }
        let ports = options.ports;
        let log = |name: &str| logs.join(name).with_extension("log");
        let (nats, postgres, redis) = thread::scope(|scope| {
            let nats = scope.spawn(|| {
                let (folder, log) = (data.path.join("nats"), log("nats"));
                let mut monitor = 0;
                let server = source(options.nats_url, ports.nats, |port| {
                    monitor = ports.nats_monitor.map_or_else(free_port, Ok)?;
                    nats::start(&paths.bin, &folder, &log, (port, monitor), options.nats.as_ref())
                });
                server.map(|server| (server, monitor))
            });
            let postgres = scope.spawn(|| {
                source(options.database_url, ports.postgres, |port| {
                    postgres::start(&paths.postgres, &data.path, &log("postgres"), port, &settings)
                })
            });
            let redis = source(options.redis_url, ports.redis, |port| {
                redis::start(&paths.bin, &data.path.join("redis"), &log("redis"), port)
            });
            (joined(nats.join()), joined(postgres.join()), redis)
        });
        let (nats, monitor) = nats?;
        Ok(Self { paths, logs, nats, monitor, postgres: postgres?, redis: redis?, _data: data })
    }

    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The folder of the logs, also for programs that use the stack. It is removed with temporary data.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    pub fn nats_url(&self) -> &str {
        &self.nats.url
    }

    /// The URL of the HTTP monitoring of NATS; no server listens there if the NATS server was given.
    pub fn nats_monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor)
    }

    pub fn database_url(&self) -> &str {
        &self.postgres.url
    }

    pub fn redis_url(&self) -> &str {
        &self.redis.url
    }

    /// Creates an empty database, replaces an existing one of this name, and returns its URL.
    pub fn database(&self, name: &str) -> Result<String> {
        postgres::create_database(self.postgres()?, name)
    }

    /// The environment variables in which the services find the servers, the libraries and the model.
    pub fn environment(&self) -> Vec<(&'static str, std::ffi::OsString)> {
        let Paths { onnxruntime, pdfium, model, .. } = &self.paths;
        vec![
            ("NATS_URL", self.nats_url().into()),
            ("NATS_MONITOR_URL", self.nats_monitor_url().into()),
            ("DATABASE_URL", self.database_url().into()),
            ("REDIS_URL", self.redis_url().into()),
            ("ORT_DYLIB_PATH", onnxruntime.into()),
            ("PDFIUM_PATH", pdfium.into()),
            ("MODEL_DIR", model.into()),
        ]
    }

    /// The NATS server, for tests that stop and start it. It is an error if the stack uses a server that was
    /// given in its options.
    pub fn nats(&self) -> Result<&Server> {
        self.nats.ours()
    }

    pub fn postgres(&self) -> Result<&Server> {
        self.postgres.ours()
    }

    /// The Valkey server. It writes nothing to disk, so it is empty after a restart.
    pub fn redis(&self) -> Result<&Server> {
        self.redis.ours()
    }

    pub fn process_ids(&self) -> Vec<u32> {
        self.servers().into_iter().filter_map(Server::id).collect()
    }

    fn servers(&self) -> Vec<&Server> {
        [self.nats(), self.postgres(), self.redis()].into_iter().flatten().collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        thread::scope(|scope| {
            for server in self.servers() {
                scope.spawn(|| server.stop());
            }
        });
    }
}

impl Source {
    fn ours(&self) -> Result<&Server> {
        let not_ours = "this server was given by its URL and is not the stack's to manage";
        self.server.as_ref().context(not_ours)
    }
}

/// Uses the given server, or starts one: on the fixed port, or on a free port. If another program takes the free
/// port first, another one is tried.
fn source(
    given: Option<String>,
    fixed: Option<u16>,
    mut start: impl FnMut(u16) -> Result<Server>,
) -> Result<Source> {
    if let Some(url) = given {
        return Ok(Source { url, server: None });
    }
    let mut attempts = if fixed.is_some() { 1 } else { PORT_ATTEMPTS };
    loop {
        attempts -= 1;
        match start(fixed.map_or_else(free_port, Ok)?) {
            Err(error) if attempts > 0 && error.to_string().contains("already in use") => {}
            result => {
                let server = result?;
                return Ok(Source { url: server.url().to_owned(), server: Some(server) });
            }
        }
    }
}

fn joined<T>(result: thread::Result<Result<T>>) -> Result<T> {
    result.map_err(|_| anyhow!("a thread that starts a server panicked"))?
}
