//! acorag's own programs on a stack: the migration, the workers and the api.

mod service;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use devstack::{Launch, Stack, free_port};
use service::{Service, last_lines};

const POLL: Duration = Duration::from_millis(100);
const READY_WITHIN: Duration = Duration::from_secs(180);
/// Longer than the programs' own patience with their last requests and jobs.
const STOP_WITHIN: Duration = Duration::from_secs(45);
/// A program that fails this often before anything was ready will not succeed.
const FAILURES_BEFORE_READY: u32 = 3;

/// What to run.
pub struct Plan {
    /// Where the api will listen, such as http://127.0.0.1:8000.
    pub url: String,
    pub port: u16,
    pub logs: PathBuf,
    /// Settings beside the inherited ones.
    pub environment: Vec<(&'static str, OsString)>,
    pub ingest_workers: u32,
    pub query_workers: u32,
}

/// Running programs. Dropping it stops the api, then the workers, then the servers.
pub struct Acorag {
    url: String,
    /// Where each program answers for itself: the api, then the workers.
    programs: Vec<String>,
    api: Option<Service>,
    workers: Vec<Service>,
    _stack: Stack,
}

impl Acorag {
    /// Brings the database to its form, starts everything, and returns when all of it is ready.
    pub async fn start(stack: Stack, plan: Plan) -> Result<Self> {
        let programs = Programs::new(&plan)?;
        programs.migrate().await?;
        let own = vec![plan.url.clone()];
        let mut acorag = Self { url: plan.url, programs: own, api: None, workers: Vec::new(), _stack: stack };
        for (kind, count) in [("ingest-worker", plan.ingest_workers), ("query-worker", plan.query_workers)] {
            for number in 1..=count {
                let name = if count == 1 { kind.to_owned() } else { format!("{kind}-{number}") };
                let port = free_port()?;
                acorag.programs.push(format!("http://127.0.0.1:{port}"));
                acorag.workers.push(programs.start(name, kind, ("HEALTH_PORT", port))?);
            }
        }
        acorag.api = Some(programs.start("api".to_owned(), "api", ("PORT", plan.port))?);
        acorag.until_ready().await?;
        Ok(acorag)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where each program shows its figures.
    pub fn metrics(&self) -> impl Iterator<Item = String> {
        self.programs.iter().map(|url| format!("{url}/metrics"))
    }

    /// Until every program says that it is ready, the api with everything behind it.
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
            if let Some(failed) = self.services().find(|service| service.failures >= FAILURES_BEFORE_READY) {
                bail!("{} does not start:\n{}", failed.name, failed.last_words());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Starts again what ends, for as long as it is awaited.
    pub async fn supervise(&mut self) -> Result<Infallible> {
        loop {
            self.look_after()?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops everything, in order.
    pub async fn stop(self) -> Result<()> {
        Ok(tokio::task::spawn_blocking(|| drop(self)).await?)
    }

    fn look_after(&mut self) -> Result<()> {
        self.services().try_for_each(Service::look_after)
    }

    fn services(&mut self) -> impl Iterator<Item = &mut Service> {
        self.api.iter_mut().chain(&mut self.workers)
    }
}

impl Drop for Acorag {
    fn drop(&mut self) {
        drop(self.api.take());
        self.workers.iter_mut().for_each(Service::ask_to_stop);
        self.workers.clear();
    }
}

/// For this machine's own api: no proxy stands before it, and its certificate may be anybody's.
pub fn http_client(timeout: Duration) -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).timeout(timeout).build()?)
}

/// How acorag's programs are started.
struct Programs {
    folder: PathBuf,
    logs: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

impl Programs {
    fn new(plan: &Plan) -> Result<Self> {
        let own = std::env::current_exe().context("cannot tell where this program is")?;
        let folder = own.parent().unwrap_or(Path::new("/")).to_owned();
        for program in ["migrate", "ingest-worker", "reader", "query-worker", "api"] {
            let path = folder.join(format!("acorag-{program}"));
            ensure!(path.exists(), "{} is missing: build everything (`make` lists the ways)", path.display());
        }
        fs::create_dir_all(&plan.logs).with_context(|| format!("cannot create {}", plan.logs.display()))?;
        Ok(Self { folder, logs: plan.logs.clone(), environment: plan.environment.clone() })
    }

    async fn migrate(&self) -> Result<()> {
        let launch = self.launch("migrate", "migrate");
        let mut migration = launch.start()?;
        let status = loop {
            match migration.ended()? {
                Some(status) => break status,
                None => tokio::time::sleep(POLL).await,
            }
        };
        let said = launch.log_file().map(last_lines).unwrap_or_default();
        ensure!(status.success(), "the migration failed ({status}):\n{said}");
        Ok(())
    }

    fn start(&self, name: String, program: &str, port: (&str, u16)) -> Result<Service> {
        let launch = self.launch(&name, program).env(port.0, port.1.to_string());
        Service::start(name, launch)
    }

    fn launch(&self, name: &str, program: &str) -> Launch {
        let launch = Launch::new(self.folder.join(format!("acorag-{program}")))
            .log(self.logs.join(name).with_extension("log"))
            .stop_within(STOP_WITHIN)
            // As in the image: the model's weights in huge pages.
            .env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
        self.environment.iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    }
}
