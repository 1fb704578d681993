//! Serving: TLS when there is a certificate, bounds on what a connection may do, and an orderly end.

mod accept;
mod connection;

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context as _;
use axum_server::{
    Handle,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use tokio_util::sync::CancellationToken;
use x509_cert::Certificate;

use crate::{App, metrics::Metrics, routes};
use accept::Bounded;
pub use accept::occupy;
use connection::Connections;

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Certificate chain (PEM). With it and TLS_KEY, the port speaks HTTPS.
    #[arg(long, env = "TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of TLS_CERT.
    #[arg(long, env = "TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Connections at the same time. Beyond that the one gives way that has waited longest without a request under way.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 4096)]
    pub max_connections: usize,
    /// Connections from one address at the same time; by default a quarter of MAX_CONNECTIONS. With TRUSTED_PROXIES every
    /// connection is a proxy's: there is no such bound then, unless it is set.
    #[arg(long, env = "MAX_CONNECTIONS_PER_ADDRESS")]
    pub max_connections_per_address: Option<usize>,
    /// How long a client may take to send a request's head, in seconds.
    #[arg(long, env = "HEADER_TIMEOUT", default_value = "15", value_parser = crate::config::seconds)]
    pub header_timeout: Duration,
    /// Most headers of a request.
    #[arg(long, env = "MAX_HEADERS", default_value_t = 100)]
    pub max_headers: usize,
}

/// Largest head of a request in bytes.
const MAX_HEAD: u32 = 64 * 1024;

/// Serves until told to stop, then finishes what is under way.
pub async fn serve(app: App, config: crate::Config, listener: TcpListener) -> anyhow::Result<()> {
    // A second less than the whole: the process still has to flush its traces.
    let drain = Duration::from_secs(config.lifecycle.shutdown_timeout.saturating_sub(1));
    let (stopping, metrics) = (app.stopping.clone(), app.metrics.clone());
    let (counter, requester) = (app.cache.counter.clone(), app.requester.clone());
    let router = routes::router(app, &config);
    let served = CancellationToken::new();
    let reporting = async {
        tokio::select! {
            () = counter.report(requester, served.clone()) => {}
            // A stop takes no longer for the sake of a count.
            () = async { stopping.cancelled().await; tokio::time::sleep(drain).await } => {}
        }
    };
    let serving = async {
        let _last_report = served.drop_guard_ref();
        let handle = Handle::new();
        let ending = async {
            stopping.cancelled().await;
            handle.graceful_shutdown(Some(drain));
            std::future::pending().await
        };
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let bounded = Bounded {
            connections: config.server.connections(config.authentication.trusted_proxies),
            stall: config.requests.stall_timeout,
            head: config.server.header_timeout,
        };
        let server = axum_server::from_tcp(listener)?.handle(handle.clone());
        let server = async {
            let pair = config.server.pair().await.context("TLS_CERT or TLS_KEY cannot be read")?;
            let Some(pair) = pair else {
                let mut server = server.acceptor(bounded);
                config.server.bound(server.http_builder());
                return server.serve(service).await.context("serving HTTP");
            };
            let tls = RustlsConfig::from_pem(pair.chain.clone(), pair.key.clone())
                .await
                .context("TLS_CERT and TLS_KEY are not a certificate chain and its key in PEM")?;
            let mut server = server.acceptor(RustlsAcceptor::new(tls.clone()).acceptor(bounded));
            config.server.bound(server.http_builder());
            tokio::select! {
                served = server.serve(service) => served.context("serving HTTPS"),
                never = config.server.renew(tls, pair, &metrics) => never,
            }
        };
        tokio::select! { served = server => served, never = ending => never }
    };
    tokio::join!(serving, reporting).0
}

impl Config {
    pub fn speaks_tls(&self) -> bool {
        self.tls_cert.is_some()
    }

    fn connections(&self, trusted_proxies: usize) -> Connections {
        let part = if trusted_proxies == 0 { self.max_connections.div_ceil(4) } else { self.max_connections };
        Connections::new(self.max_connections, self.max_connections_per_address.unwrap_or(part))
    }

    async fn pair(&self) -> std::io::Result<Option<Pair>> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        Ok(Some(Pair { chain: tokio::fs::read(certificate).await?, key: tokio::fs::read(key).await? }))
    }

    fn bound(&self, builder: &mut Builder<TokioExecutor>) {
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_headers(self.max_headers)
            .max_buf_size(MAX_HEAD as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEAD)
            .max_concurrent_streams(128)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
    }

    /// Serves what the files hold, from the moment both fit together. Connections that are open stay as they are.
    async fn renew<T>(&self, tls: RustlsConfig, mut seen: Pair, metrics: &Metrics) -> T {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // A file that cannot be read is being replaced. Should it stay away, an alert watches the certificate's end.
            let Ok(Some(found)) = self.pair().await else { continue };
            if found == seen {
                continue;
            }
            match tls.reload_from_pem(found.chain.clone(), found.key.clone()).await {
                Ok(()) => {
                    tracing::info!("a renewed certificate is served from now on");
                    metrics.certificate(&found.chain);
                }
                Err(error) => {
                    tracing::warn!(%error, "TLS_CERT and TLS_KEY do not fit together; the one before is still served");
                }
            }
            seen = found;
        }
    }
}

/// How often the files are read again: a program that renews them (cert-manager, certbot) tells us nothing.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A certificate chain and its key, in PEM.
#[derive(PartialEq, Eq)]
struct Pair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// The moment, in Unix seconds, from which a client refuses this chain (PEM): the end of the certificate in it that ends
/// first.
pub fn not_after(chain: &[u8]) -> Result<i64, x509_cert::der::Error> {
    let ends = Certificate::load_pem_chain(chain)?
        .into_iter()
        .map(|certificate| certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs());
    Ok(ends.min().and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &[u8] = include_bytes!("../tests/keys/tls.crt");

    #[test]
    fn the_end_of_a_certificate_is_read() {
        // `openssl x509 -enddate -noout -in api/tests/keys/tls.crt`
        assert_eq!(not_after(CERTIFICATE).unwrap(), 4_949_099_521);
        assert!(not_after(b"no certificate").is_err());
    }
}
