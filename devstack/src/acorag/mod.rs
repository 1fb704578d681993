//! Runs acorag's own programs on a stack: the migration, the workers and the api.

mod service;

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use devstack::{Launch, Stack, binary, free_port};
use service::Service;

const POLL: Duration = Duration::from_millis(100);
const READY_WITHIN: Duration = Duration::from_secs(180);
/// Maximum time that a program may take to stop. It is longer than the program's own wait for its last
/// requests and jobs.
const STOP_WITHIN: Duration = Duration::from_secs(45);
/// Before everything is ready, the start fails when a program has ended this many times.
const FAILURES_BEFORE_READY: u32 = 3;

pub struct Plan {
    /// The URL of the api, such as http://127.0.0.1:8000.
    pub url: String,
    pub port: u16,
    pub logs: PathBuf,
    /// Settings in addition to the inherited environment.
    pub environment: Vec<(&'static str, OsString)>,
    pub workers: Workers,
}

#[derive(clap::Args)]
#[group(skip)]
pub struct Workers {
    /// How many ingest workers to run
    #[arg(long, env = "INGEST_WORKERS", default_value_t = 1)]
    ingest_workers: u32,
    /// How many query workers to run
    #[arg(long, env = "QUERY_WORKERS", default_value_t = 1)]
    query_workers: u32,
}

/// The running programs. Dropping this value stops the api, then the workers, then the servers.
pub struct Acorag {
    /// The base URL of each program, for health and metrics: the api first, then the workers.
    programs: Vec<String>,
    /// The workers, and the api as the last one.
    services: Vec<Service>,
    _stack: Stack,
}

impl Acorag {
    /// Migrates the database, starts all programs, and returns when all of them are ready.
    pub async fn start(stack: Stack, plan: Plan) -> Result<Self> {
        for program in ["acorag-ingest-worker", "acorag-reader", "acorag-query-worker", "acorag-api"] {
            binary(program)?;
        }
        plan.migrate().await?;
        let mut acorag = Self { programs: vec![plan.url.clone()], services: Vec::new(), _stack: stack };
        let Workers { ingest_workers, query_workers } = plan.workers;
        for (kind, count) in [("ingest-worker", ingest_workers), ("query-worker", query_workers)] {
            for number in 1..=count {
                let name = if count == 1 { kind.to_owned() } else { format!("{kind}-{number}") };
                let port = free_port()?;
                acorag.programs.push(format!("http://127.0.0.1:{port}"));
                let launch = plan.launch(&name, kind)?.env("HEALTH_PORT", port.to_string());
                acorag.services.push(Service::start(name, launch)?);
            }
        }
        // Creates the vector indexes of large projects.
        let launch = plan.launch("index-vectors", "migrate")?.args(["index-vectors", "--every", "120"]);
        acorag.services.push(Service::start("index-vectors".to_owned(), launch)?);
        let launch = plan.launch("api", "api")?.env("PORT", plan.port.to_string());
        acorag.services.push(Service::start("api".to_owned(), launch)?);
        acorag.until_ready().await?;
        Ok(acorag)
    }

    pub fn url(&self) -> &str {
        &self.programs[0]
    }

    pub fn metrics(&self) -> impl Iterator<Item = String> {
        self.programs.iter().map(|url| format!("{url}/metrics"))
    }

    /// Waits until every program is ready; the api is ready only if everything behind it is.
    async fn until_ready(&mut self) -> Result<()> {
        let client = http_client(Duration::from_secs(10))?;
        let deadline = Instant::now() + READY_WITHIN;
        let mut waited_for = self.programs.clone();
        while let Some(url) = waited_for.last() {
            let state = match client.get(format!("{url}/ready")).send().await {
                Ok(answer) if answer.status().is_success() => {
                    waited_for.pop();
                    continue;
                }
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if Instant::now() > deadline {
                bail!("acorag is not ready after {} s: {state}", READY_WITHIN.as_secs());
            }
            self.look_after()?;
            let failed = self.services.iter().find(|service| service.failures >= FAILURES_BEFORE_READY);
            if let Some(Service { name, launch, .. }) = failed {
                bail!("{name} does not start:\n{}", launch.last_lines());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Restarts programs that end, until the future is dropped.
    pub async fn supervise(&mut self) -> Result<Infallible> {
        loop {
            self.look_after()?;
            tokio::time::sleep(POLL).await;
        }
    }

    pub async fn stop(self) -> Result<()> {
        Ok(tokio::task::spawn_blocking(|| drop(self)).await?)
    }

    fn look_after(&mut self) -> Result<()> {
        self.services.iter_mut().try_for_each(Service::look_after)
    }
}

impl Drop for Acorag {
    fn drop(&mut self) {
        drop(self.services.pop());
        self.services.iter_mut().for_each(Service::ask_to_stop);
        self.services.clear();
    }
}

/// A client for the api on this machine: without a proxy, and with any certificate.
pub fn http_client(timeout: Duration) -> Result<reqwest::Client> {
    Ok(devstack::http_client().danger_accept_invalid_certs(true).timeout(timeout).build()?)
}

impl Plan {
    async fn migrate(&self) -> Result<()> {
        let launch = self.launch("migrate", "migrate")?;
        let mut migration = launch.start()?;
        let status = loop {
            match migration.ended()? {
                Some(status) => break status,
                None => tokio::time::sleep(POLL).await,
            }
        };
        ensure!(status.success(), "the migration failed ({status}):\n{}", launch.last_lines());
        Ok(())
    }

    /// Returns one of acorag's programs, with a log of this name.
    fn launch(&self, name: &str, program: &str) -> Result<Launch> {
        Ok(Launch::new(binary(&format!("acorag-{program}"))?)
            .log(self.logs.join(name).with_extension("log"))
            .stop_within(STOP_WITHIN)
            // As in the container image: the weights of the embedding model are in huge pages.
            .env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
            .envs(self.environment.clone()))
    }
}
