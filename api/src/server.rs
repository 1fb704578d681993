//! The HTTP server: TLS if there is a certificate, limits for connections, and a graceful shutdown.

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
pub use accept::{holding, occupy};
use connection::Connections;

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// File with the certificate chain (PEM). With TLS_CERT and TLS_KEY, the port serves HTTPS.
    #[arg(long, env = "TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// File with the private key (PEM) of TLS_CERT.
    #[arg(long, env = "TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Maximum number of open connections. Beyond it, the connection that has been idle longest is closed.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 4096)]
    pub max_connections: usize,
    /// Maximum number of open connections from one address; by default a quarter of MAX_CONNECTIONS. With
    /// TRUSTED_PROXIES, every connection comes from a proxy, so there is no such limit by default.
    #[arg(long, env = "MAX_CONNECTIONS_PER_ADDRESS")]
    pub max_connections_per_address: Option<usize>,
    /// How long a client may take to send the head of a connection's first request, in seconds.
    #[arg(long, env = "HEADER_TIMEOUT", default_value = "15", value_parser = crate::config::seconds)]
    pub header_timeout: Duration,
    /// How long an HTTP/1 connection may be idle until the head of its next request is received, in seconds. Proxies keep
    /// connections for 60 to 90 s; a request that they send on one that is just being closed fails.
    #[arg(long, env = "KEEP_ALIVE", default_value = "95", value_parser = crate::config::seconds)]
    pub keep_alive: Duration,
    /// Maximum number of headers of a request.
    #[arg(long, env = "MAX_HEADERS", default_value_t = 100)]
    pub max_headers: usize,
}

/// Maximum size of a request's head, in bytes.
const MAX_HEAD: u32 = 64 * 1024;

/// Serves until the process is asked to stop, then finishes the requests in progress.
pub async fn serve(app: App, config: crate::Config, listener: TcpListener) -> anyhow::Result<()> {
    let drain = config.drain();
    let (stopping, metrics) = (app.stopping.clone(), app.metrics.clone());
    let (counter, requester) = (app.cache.counter.clone(), app.requester.clone());
    let router = routes::router(app, &config);
    let served = CancellationToken::new();
    let reporting = async {
        tokio::select! {
            () = counter.report(requester, served.clone()) => {}
            // The last report of counts must not delay the shutdown.
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
        let mut server = axum_server::from_tcp(listener)?.handle(handle.clone());
        config.server.bound(server.http_builder());
        let server = async {
            let pair = config.server.pair().await.context("TLS_CERT or TLS_KEY cannot be read")?;
            let Some(pair) = pair else {
                return server.acceptor(bounded).serve(service).await.context("serving HTTP");
            };
            let tls = RustlsConfig::from_pem(pair.chain.clone(), pair.key.clone())
                .await
                .context("TLS_CERT and TLS_KEY are not a certificate chain and its key in PEM")?;
            metrics.certificate(&pair.chain);
            let server = server.acceptor(RustlsAcceptor::new(tls.clone()).acceptor(bounded));
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
            .header_read_timeout(self.keep_alive)
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

    /// Reloads certificate and key when the files have changed and fit together. Open connections are not affected.
    async fn renew<T>(&self, tls: RustlsConfig, mut seen: Pair, metrics: &Metrics) -> T {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // An unreadable file is probably being replaced. If not, an alert reports the expiring certificate.
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

/// Interval of reading the files again: programs that renew them (cert-manager, certbot) do not notify this process.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A certificate chain and its key, in PEM.
#[derive(PartialEq, Eq)]
struct Pair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// Returns when the first certificate of this chain (PEM) expires, in Unix seconds: from then on, clients refuse it.
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
