//! Liveness, readiness and metrics, the same for every service.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use futures::future::{BoxFuture, join_all};
use prometheus::Registry;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Address for /health, /ready and /metrics.
    #[arg(long, env = "HEALTH_BIND", default_value = "127.0.0.1")]
    pub health_bind: std::net::IpAddr,
    /// Port for /health, /ready and /metrics; 0 picks a free one.
    #[arg(long, env = "HEALTH_PORT", default_value_t = 9000)]
    pub health_port: u16,
}

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What must answer before this service is ready, by name.
#[derive(Clone, Default)]
pub struct Checks(BTreeMap<&'static str, (Check, Needed)>);

/// Whether the service can do its work without it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needed {
    Yes,
    No,
}

/// The body of `/ready`: each dependency by name, `ok` or what is wrong with it; `degraded: …` where the service works
/// without it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Readiness {
    pub ready: bool,
    pub checks: BTreeMap<&'static str, String>,
}

/// A dependency that has not answered within this time is not there.
const PATIENCE: Duration = Duration::from_secs(2);

impl Checks {
    #[must_use]
    pub fn with<F>(self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.insert(name, Needed::Yes, check)
    }

    /// A dependency whose absence makes the service poorer, not useless.
    #[must_use]
    pub fn with_optional<F>(self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.insert(name, Needed::No, check)
    }

    fn insert<F>(
        mut self,
        name: &'static str,
        needed: Needed,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.0.insert(name, (Arc::new(move || Box::pin(check())), needed));
        self
    }

    pub async fn run(&self) -> Readiness {
        let outcomes = join_all(self.0.iter().map(|(name, (check, needed))| async move {
            let problem = match tokio::time::timeout(PATIENCE, check()).await {
                Ok(Ok(())) => return (*name, true, "ok".to_owned()),
                Ok(Err(problem)) => problem,
                Err(_) => "no answer".to_owned(),
            };
            match needed {
                Needed::Yes => (*name, false, problem),
                Needed::No => (*name, true, format!("degraded: {problem}")),
            }
        }))
        .await;
        let ready = outcomes.iter().all(|(_, fine, _)| *fine);
        Readiness { ready, checks: outcomes.into_iter().map(|(name, _, outcome)| (name, outcome)).collect() }
    }
}

pub async fn ready(State(checks): State<Checks>) -> (StatusCode, Json<Readiness>) {
    let readiness = checks.run().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// Serves `/health`, `/ready` and `/metrics` until told to stop. For workers, which have no other HTTP.
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
