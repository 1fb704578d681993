//! Serving: TLS when there is a certificate, bounds on what a connection may do, and an orderly end.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use axum::Router;
use axum_server::{
    Handle,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use tokio_util::sync::CancellationToken;

use crate::connection::Bounded;

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Certificate chain (PEM). With it and TLS_KEY, the port speaks HTTPS.
    #[arg(long, env = "TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of TLS_CERT.
    #[arg(long, env = "TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Connections at the same time.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 4096)]
    pub max_connections: usize,
    /// How long a client may take to send a request's head, in seconds.
    #[arg(long, env = "HEADER_TIMEOUT", default_value_t = 15)]
    pub header_timeout: u64,
    /// Most headers of a request.
    #[arg(long, env = "MAX_HEADERS", default_value_t = 100)]
    pub max_headers: usize,
}

/// Largest head of a request in bytes.
const MAX_HEAD: u32 = 64 * 1024;

impl Config {
    pub fn speaks_tls(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// Serves until told to stop; what is under way then has `drain` to finish. A certificate that is replaced by another
    /// on the disk is served from then on, and told to `renewed`.
    pub async fn serve(
        &self,
        router: Router,
        listener: TcpListener,
        stall: Duration,
        drain: Duration,
        stopping: CancellationToken,
        renewed: impl Fn(&[u8]) + Send + 'static,
    ) -> anyhow::Result<()> {
        let handle = Handle::new();
        let bounded = Bounded::new(self.max_connections, stall);
        let server = axum_server::from_tcp(listener)?.handle(handle.clone());
        let ending = tokio::spawn(async move {
            stopping.cancelled().await;
            handle.graceful_shutdown(Some(drain));
        });
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let served = if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            let pair = Pair::read(certificate, key).await.context("TLS_CERT or TLS_KEY cannot be read")?;
            let tls = RustlsConfig::from_pem(pair.chain.clone(), pair.key.clone())
                .await
                .context("TLS_CERT and TLS_KEY are not a certificate chain and its key in PEM")?;
            let renewing = tokio::spawn(renew(tls.clone(), certificate.clone(), key.clone(), pair, renewed));
            let mut server = server.acceptor(RustlsAcceptor::new(tls).acceptor(bounded));
            self.bound(server.http_builder());
            let served = server.serve(service).await;
            renewing.abort();
            served
        } else {
            let mut server = server.acceptor(bounded);
            self.bound(server.http_builder());
            server.serve(service).await
        };
        ending.abort();
        served.context("serving HTTP")
    }

    fn bound(&self, builder: &mut Builder<TokioExecutor>) {
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(self.header_timeout))
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
}

/// A certificate chain and its key, in PEM.
#[derive(PartialEq, Eq)]
struct Pair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    async fn read(certificate: &Path, key: &Path) -> std::io::Result<Self> {
        Ok(Self { chain: tokio::fs::read(certificate).await?, key: tokio::fs::read(key).await? })
    }
}

/// Whoever renews a certificate (cert-manager, certbot) replaces files and tells nobody.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Serves what the files hold, from the moment both fit together. Connections that are open stay as they are.
async fn renew(
    tls: RustlsConfig,
    certificate: PathBuf,
    key: PathBuf,
    mut seen: Pair,
    renewed: impl Fn(&[u8]) + Send,
) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // Unreadable: it is just being replaced. Should it stay away, the certificate's end is watched by an alert.
        let Ok(found) = Pair::read(&certificate, &key).await else { continue };
        if found == seen {
            continue;
        }
        match tls.reload_from_pem(found.chain.clone(), found.key.clone()).await {
            Ok(()) => {
                tracing::info!("a renewed certificate is served from now on");
                renewed(&found.chain);
            }
            Err(error) => {
                tracing::warn!(%error, "TLS_CERT and TLS_KEY do not fit together; the one before is still served");
            }
        }
        seen = found;
    }
}
