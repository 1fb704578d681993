//! Runs acorag's own programs on a stack of servers.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use devstack::{Launch, Process, Stack, binary, free_port};

use crate::{Client, accounts, tls::Certificates};

/// What to run. Default: one process of each service, without accounts and rate limits.
#[derive(Debug, Clone)]
pub struct Options {
    pub apis: usize,
    pub ingest_workers: usize,
    /// Each service has its own account, with the rights that operators give it (ops/nats, ops/postgres). Default: one
    /// user with all rights.
    pub accounts: bool,
    /// All connections use TLS, with certificates from `ops/tls.sh`. TLS includes `accounts`.
    pub tls: bool,
    /// Settings of PostgreSQL, as `name=value`.
    pub postgres: Vec<String>,
    /// Variables that are added to the environment of every service.
    pub environment: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Self {
        // All clients have the same address, so its limit is off too.
        let off = ["AUTH", "RATE_LIMIT_SEARCH", "RATE_LIMIT_CHAT", "RATE_LIMIT_UPLOAD", "RATE_LIMIT_ADDRESS"];
        let options = Self {
            apis: 1,
            ingest_workers: 1,
            accounts: false,
            tls: false,
            postgres: Vec::new(),
            environment: off.map(|name| (name.to_owned(), "off".to_owned())).into(),
        };
        // On a busy machine, a slow answer must not count as an outage.
        options.env("REDIS_TIMEOUT_MS", "5000")
    }
}

impl Options {
    /// Makes a commit wait for the disk, as in production. Only tests with crashes need this.
    #[must_use]
    pub fn durable(self) -> Self {
        self.env("PGOPTIONS", "-c synchronous_commit=on")
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A running acorag. Dropping this value stops everything.
pub struct System {
    // Services come before servers, because fields are dropped in this order.
    pub apis: Vec<Service>,
    pub query_workers: Vec<Service>,
    pub ingest_workers: Vec<Service>,
    /// Each program with its environment.
    programs: HashMap<&'static str, Launch>,
    /// The address of the TLS proxy of Valkey.
    pub tls_of_valkey: Option<String>,
    pub certificates: Option<Certificates>,
    pub stack: Stack,
}

/// The process of a service.
pub struct Service {
    launch: Launch,
    pub url: String,
    pub port: u16,
    pub log: PathBuf,
    process: Option<Process>,
}

const PROGRAMS: [&str; 4] = ["acorag-migrate", "acorag-ingest-worker", "acorag-query-worker", "acorag-api"];

/// Maximum time until a service is ready; a debug build loads the embedding model slowly.
const PATIENCE: Duration = Duration::from_secs(120);

impl System {
    /// Starts all servers and services, and waits until they are ready.
    pub async fn start(options: Options) -> Result<Self> {
        let certificates = options.tls.then(Certificates::new).transpose()?;
        let accounts = options.accounts || options.tls;
        let mut servers = devstack::Options {
            nats: accounts.then(accounts::nats_configuration),
            postgres: options.postgres.clone(),
            ..devstack::Options::default()
        };
        if let Some(certificates) = &certificates {
            certificates.prepare(&mut servers)?;
        }
        let stack = tokio::task::spawn_blocking(|| Stack::start(servers)).await??;
        if accounts {
            accounts::create_logins(&stack)?;
            accounts::protect_valkey(&stack)?;
        }
        Self::launch(stack, options, certificates).await
    }

    /// Starts the services on running servers.
    pub async fn on(stack: Stack, options: Options) -> Result<Self> {
        Self::launch(stack, options, None).await
    }

    async fn launch(stack: Stack, options: Options, certificates: Option<Certificates>) -> Result<Self> {
        let tls_of_valkey = match &certificates {
            Some(certificates) => Some(certificates.before_valkey(stack.redis_url()).await?),
            None => None,
        };
        let mut programs = HashMap::new();
        for program in PROGRAMS {
            let mut launch = Launch::new(binary(program)?).envs(stack.environment());
            if options.accounts || options.tls {
                let mut environment = accounts::environment(&stack, program)?;
                if let (Some(certificates), Some(valkey)) = (&certificates, &tls_of_valkey) {
                    certificates.protect(&mut environment, valkey);
                }
                launch = launch.envs(environment);
            }
            programs.insert(program, launch.env("LOG_FORMAT", "json").envs(&options.environment));
        }
        let logs =
            stack.paths().stack.join("tmp").join(format!("services-{}-{}", std::process::id(), free_port()?));
        std::fs::create_dir_all(&logs)?;
        let launch = |program: &str| programs[program].clone();
        let migrate = launch("acorag-migrate").log(logs.join("acorag-migrate-0.log"));
        let status = migrate.start()?.wait()?;
        ensure!(status.success(), "acorag-migrate failed: {}", migrate.last_lines());
        let several = |program: &str, scheme: &str, count: usize| -> Result<Vec<Service>> {
            let log = |index| logs.join(format!("{program}-{index}.log"));
            (0..count).map(|index| Service::start(launch(program), scheme, log(index))).collect()
        };
        let system = Self {
            ingest_workers: several("acorag-ingest-worker", "http", options.ingest_workers)?,
            query_workers: several("acorag-query-worker", "http", 1)?,
            apis: several("acorag-api", if options.tls { "https" } else { "http" }, options.apis)?,
            programs,
            tls_of_valkey,
            certificates,
            stack,
        };
        for service in system.ingest_workers.iter().chain(&system.query_workers).chain(&system.apis) {
            service.ready().await?;
        }
        Ok(system)
    }

    pub fn client(&self) -> Result<Client> {
        Client::new(&self.apis[0].url)
    }

    /// Runs a command of a program, as an operator does, and returns its output.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.prepared(program)?.args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} {arguments:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Creates an API key with `arguments`; returns its id and a client of the first api that uses the key.
    pub fn client_with_key(&self, arguments: &[&str]) -> Result<(String, Client)> {
        let printed = self
            .command("acorag-query-worker", &[&["keys", "create", "--name", "test"], arguments].concat())?;
        let field = |name: &str| {
            printed.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        let (id, token) = (field("id").context("no id")?, field("token").context("no token")?);
        Ok((id, self.client()?.with_token(&token)?))
    }

    /// Returns the command of a program with its environment.
    pub fn prepared(&self, program: &str) -> Result<std::process::Command> {
        Ok(self.programs.get(program).context("no such program")?.command())
    }
}

impl Service {
    /// Starts a service on a free port.
    fn start(launch: Launch, scheme: &str, log: PathBuf) -> Result<Self> {
        let port = free_port()?;
        // The api reads the first variable, a worker the other one.
        let launch = launch.log(&log).envs(["PORT", "HEALTH_PORT"].map(|name| (name, port.to_string())));
        let process = Some(launch.start()?);
        Ok(Self { launch, url: format!("{scheme}://127.0.0.1:{port}"), port, log, process })
    }

    /// Starts another process of this service with some settings changed, and returns when it is ready.
    pub async fn successor(&self, changed: &[(&str, String)]) -> Result<Self> {
        let log = self.log.with_extension(format!("{}.log", free_port()?));
        let launch = self.launch.clone().envs(changed.iter().map(|(name, value)| (name, value)));
        let (scheme, _) = self.url.split_once("://").context("a URL")?;
        let successor = Self::start(launch, scheme, log)?;
        successor.ready().await?;
        Ok(successor)
    }

    /// Asks the service to stop, and waits until it has finished its work.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            let status = process.stop()?;
            ensure!(status.success(), "it ended with {status}: {}", self.launch.last_lines());
        }
        Ok(())
    }

    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Kills the service, like a crash.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        Ok(())
    }

    /// Starts the service again; if it runs, it is killed first.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.start_again()?;
        self.ready().await
    }

    /// Starts the service again without waiting, because its servers may be unavailable.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = Some(self.launch.start()?);
        Ok(())
    }

    /// Whether the process runs. A service ends by itself if something it needs is missing.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| matches!(process.ended(), Ok(None)))
    }

    /// Waits until the service is ready.
    pub async fn ready(&self) -> Result<()> {
        let url = format!("{}/ready", self.url);
        let deadline = Instant::now() + PATIENCE;
        // Accepts any certificate; tests of TLS check certificates themselves.
        let client = devstack::http_client().danger_accept_invalid_certs(true).build()?;
        loop {
            match client.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                _ if Instant::now() > deadline => bail!("not ready: {}", self.launch.last_lines()),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}
