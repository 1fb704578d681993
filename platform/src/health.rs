//! Liveness, readiness and metrics, the same for every service.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use futures::future::{BoxFuture, join_all};
use prometheus::Registry;
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::nats::{self, Nats};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Address for /health, /ready and /metrics.
    #[arg(long, env = "HEALTH_BIND", default_value = "127.0.0.1")]
    pub health_bind: IpAddr,
    /// Port for /health, /ready and /metrics; 0 picks a free one.
    #[arg(long, env = "HEALTH_PORT", default_value_t = 9000)]
    pub health_port: u16,
}

/// The command `acorag-… health`: asks the running service whether it is ready and prints the response. The container
/// images contain no other HTTP client.
#[derive(Debug, clap::Parser)]
pub enum Probe {
    /// Asks the service that runs with these settings whether it is ready
    Health(Config),
}

impl Probe {
    pub fn is_called() -> bool {
        std::env::args_os().nth(1).is_some_and(|argument| argument == "health")
    }

    pub fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Health(config) = self;
        let mut connection =
            TcpStream::connect_timeout(&own_address(config.health_bind, config.health_port), PROBE_PATIENCE)?;
        connection.set_read_timeout(Some(PROBE_PATIENCE))?;
        connection.write_all(b"GET /ready HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
        writeln!(io::stdout(), "{body}")?;
        let ready = head.split_whitespace().nth(1) == Some("200");
        Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Returns the address at which a program that listens on `bind` can connect to itself.
pub fn own_address(bind: IpAddr, port: u16) -> SocketAddr {
    let bind = match bind {
        IpAddr::V4(bind) if bind.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(bind) if bind.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        bind => bind,
    };
    SocketAddr::new(bind, port)
}

/// Maximum wait for the response of `/ready`; it is longer than the service's own wait for its dependencies.
pub const PROBE_PATIENCE: Duration = Duration::from_secs(4);

/// The error says why a dependency cannot be used.
type Outcome = Result<(), String>;
type Check = Arc<dyn Fn() -> BoxFuture<'static, Outcome> + Send + Sync>;

/// Whether the service is ready while a check fails.
#[derive(Clone, Copy)]
pub enum Needed {
    /// It is not.
    Always,
    /// Not before the check has succeeded for the first time. This is for what all replicas share: if it is slow later,
    /// none of them would be ready, and clients would get no answer at all instead of a refusal.
    Once,
    /// It is ready in any case, and works with reduced functions.
    Never,
}

/// A check, whether the service needs what is checked, and whether the check has ever succeeded.
type Dependency = (Check, Needed, Arc<AtomicBool>);

/// The dependencies of this service, by name.
#[derive(Clone, Default)]
pub struct Checks {
    checks: BTreeMap<&'static str, Dependency>,
    /// The latest result and its time. The lock is held during a check, so concurrent requests wait for one check
    /// instead of each starting another.
    latest: Arc<Mutex<Option<(Instant, Readiness)>>>,
}

/// The body of `/ready`: each dependency by name, `ok` or what is wrong with it; `degraded: …` where the service is ready
/// all the same.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Readiness {
    pub ready: bool,
    pub checks: BTreeMap<&'static str, String>,
}

/// A dependency that does not answer within this time counts as not reachable.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a result is reused. `/ready` needs no key, so frequent requests must not load the dependencies.
const FRESH: Duration = Duration::from_secs(1);

impl Checks {
    #[must_use]
    pub fn with<F>(
        mut self,
        name: &'static str,
        needed: Needed,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks.insert(name, (check, needed, Arc::default()));
        self
    }

    /// Adds the checks of NATS: that it is connected, and that JetStream finds this stream.
    #[must_use]
    pub fn with_nats(self, nats: &Nats, stream: &'static str) -> Self {
        let (connection, jetstream) = (nats.clone(), nats.clone());
        self.with("nats", Needed::Always, move || nats::check(connection.clone())).with(
            "jetstream",
            Needed::Once,
            move || nats::check_stream(jetstream.clone(), stream),
        )
    }

    pub async fn outcome(&self) -> Readiness {
        let mut latest = self.latest.lock().await;
        if let Some((found, readiness)) = &*latest
            && found.elapsed() < FRESH
        {
            return readiness.clone();
        }
        let readiness = self.run().await;
        *latest = Some((Instant::now(), readiness.clone()));
        readiness
    }

    async fn run(&self) -> Readiness {
        let outcomes = join_all(self.checks.iter().map(|(name, (check, needed, succeeded))| async move {
            let outcome = tokio::time::timeout(PATIENCE, check()).await;
            let Err(problem) = outcome.unwrap_or_else(|_| Err("no answer".to_owned())) else {
                succeeded.store(true, Ordering::Relaxed);
                return (*name, true, "ok".to_owned());
            };
            let dispensable = match needed {
                Needed::Always => false,
                Needed::Once => succeeded.load(Ordering::Relaxed),
                Needed::Never => true,
            };
            (*name, dispensable, if dispensable { format!("degraded: {problem}") } else { problem })
        }))
        .await;
        let ready = outcomes.iter().all(|(_, fine, _)| *fine);
        Readiness { ready, checks: outcomes.into_iter().map(|(name, _, outcome)| (name, outcome)).collect() }
    }
}

pub async fn ready(State(checks): State<Checks>) -> (StatusCode, Json<Readiness>) {
    let readiness = checks.outcome().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// Serves `/health`, `/ready` and `/metrics` until `stopping` is cancelled. For workers, which have no other HTTP
/// server.
pub async fn serve(
    config: Config,
    checks: Checks,
    registry: Registry,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/ready", get(ready))
        .with_state(checks)
        .route("/health", get(|| async { "ok" }))
        .route("/metrics", get(move || metrics(registry)));
    let address = SocketAddr::new(config.health_bind, config.health_port);
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("HEALTH_PORT: cannot listen on {address}"))?;
    tracing::info!(address = %listener.local_addr()?, "health and metrics");
    axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned()).await?;
    Ok(())
}

async fn metrics(registry: Registry) -> Result<String, StatusCode> {
    crate::metrics::render(&registry).map_err(|error| {
        tracing::error!(%error, "rendering metrics");
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Returns the exit code of the probe for a service whose database check has this outcome.
    async fn probe(outcome: Result<(), String>) -> ExitCode {
        let checks =
            Checks::default().with("database", Needed::Always, move || std::future::ready(outcome.clone()));
        let router = Router::new().route("/ready", get(ready)).with_state(checks);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async { axum::serve(listener, router).await });
        let config = Config { health_bind: Ipv4Addr::UNSPECIFIED.into(), health_port: port };
        tokio::task::spawn_blocking(|| Probe::Health(config).run()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn the_probe_succeeds_for_a_ready_program_only() {
        assert_eq!(probe(Ok(())).await, ExitCode::SUCCESS);
        assert_eq!(probe(Err("not reachable".to_owned())).await, ExitCode::FAILURE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_ready_once_stays_ready_while_a_dependency_is_slow() {
        let answers = Arc::new(AtomicBool::new(false));
        let answer = answers.clone();
        let checks = Checks::default().with("worker", Needed::Once, move || {
            let time = if answer.load(Ordering::SeqCst) { Duration::ZERO } else { 2 * PATIENCE };
            async move {
                tokio::time::sleep(time).await;
                Ok(())
            }
        });
        let mut seen = Vec::new();
        for is_fast in [false, true, false] {
            answers.store(is_fast, Ordering::SeqCst);
            tokio::time::advance(FRESH).await;
            let readiness = checks.clone().outcome().await;
            seen.push((readiness.ready, readiness.checks["worker"].clone()));
        }
        let expected = [(false, "no answer"), (true, "ok"), (true, "degraded: no answer")];
        assert_eq!(seen, expected.map(|(ready, outcome)| (ready, outcome.to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_the_same_time_cost_one_look() {
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = looks.clone();
        let checks = Checks::default().with("database", Needed::Always, move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(())
            }
        });
        let all = join_all((0..1_000).map(|_| checks.outcome())).await;
        assert!(all.iter().all(|readiness| readiness.ready));
        assert_eq!(looks.load(Ordering::SeqCst), 1);
        tokio::time::advance(FRESH).await;
        checks.outcome().await;
        assert_eq!(looks.load(Ordering::SeqCst), 2);
    }
}
