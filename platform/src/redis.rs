//! Redis or Valkey. It may be unavailable at any time: a service waits for it only briefly, and works without it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use fred::{
    clients::Pool,
    prelude::{Builder, ClientLike as _},
    types::config::{
        Config as FredConfig, ConnectionConfig, PerformanceConfig, ReconnectPolicy, TlsConnector,
    },
};
use prometheus::PullingGauge;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// URL of Redis or Valkey, used for the cache and the rate-limit counters.
    #[arg(long, env = "REDIS_URL", default_value = "redis://127.0.0.1:6379", hide_env_values = true)]
    pub redis_url: String,
    /// File of the certificate authorities to trust (PEM), for rediss://. Default: those of the system.
    #[arg(long, env = "REDIS_CA")]
    pub redis_ca: Option<PathBuf>,
    /// Number of connections to Redis.
    #[arg(long, env = "REDIS_POOL_SIZE", default_value_t = 2)]
    pub redis_pool_size: usize,
    /// Maximum wait for one response of Redis, in milliseconds; after that the service continues without it.
    #[arg(long, env = "REDIS_TIMEOUT_MS", default_value_t = 1_000)]
    pub redis_timeout_ms: u64,
}

impl Config {
    /// Starts connecting and returns immediately, because a service can start and work without Redis.
    pub fn connect(&self) -> anyhow::Result<Pool> {
        let timeout = Duration::from_millis(self.redis_timeout_ms);
        let mut config = FredConfig::from_url(&self.redis_url)
            .context("REDIS_URL is not a Redis URL (redis://[user:password@]host:port)")?;
        if let Some(path) = &self.redis_ca {
            anyhow::ensure!(config.tls.is_some(), "REDIS_CA is for TLS: REDIS_URL must begin with rediss://");
            config.tls = Some(trusting(path).context("REDIS_CA")?.into());
        }
        // While Redis is unavailable, commands fail immediately instead of waiting in a queue.
        config.fail_fast = true;
        let pool = Builder::from_config(config)
            .with_performance_config(|performance: &mut PerformanceConfig| {
                performance.default_command_timeout = timeout;
            })
            .with_connection_config(|connection: &mut ConnectionConfig| {
                connection.connection_timeout = Duration::from_secs(2);
                connection.internal_command_timeout = Duration::from_secs(2);
                // Commands are not sent again: a repeated command could count a request twice, and its response would
                // be too late.
                connection.max_command_attempts = 1;
                connection.max_command_buffer_len = 1_000;
            })
            .set_policy(ReconnectPolicy::new_constant(0, 500))
            .build_pool(self.redis_pool_size)
            .context("REDIS_URL: building the connection pool")?;
        // Dropping the task's handle does not end the connections; only quitting the pool does.
        drop(pool.connect());
        Ok(pool)
    }
}

/// Returns a TLS configuration that trusts only the certificate authorities in this file (PEM).
fn trusting(path: &Path) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).with_context(|| format!("{} cannot be read", path.display()))?;
    for certificate in certificates {
        roots.add(certificate.context("not a certificate in PEM")?).context("no certificate authority")?;
    }
    anyhow::ensure!(!roots.is_empty(), "no certificate in {}", path.display());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(tls.with_root_certificates(roots).with_no_client_auth().into())
}

/// The readiness check: one round trip.
pub async fn check(pool: Pool) -> Result<(), String> {
    use fred::interfaces::KeysInterface as _;
    let found = pool.exists::<i64, _>("acorag:ready").await;
    found.map(|_| ()).map_err(|_| "not reachable".to_owned())
}

/// Returns a metric that shows whether there is a connection at the time of the scrape.
pub fn connected(pool: Pool) -> prometheus::Result<PullingGauge> {
    let connected = move || u8::from(pool.clients().iter().any(|client| client.is_connected())).into();
    let help = "1 while there is a connection to Redis, 0 without";
    PullingGauge::new("acorag_redis_connected", help, Box::new(connected))
}
