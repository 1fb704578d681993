//! All settings of the API, read once at start.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    num::NonZeroU32,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use platform::{lifecycle, nats, redis, telemetry};
use tokio::net::TcpSocket;

use crate::{authentication, cache, cors, limits, server};

/// acorag's HTTP interface.
#[derive(Debug, Clone, Parser)]
#[command(name = "acorag-api", version, about)]
pub struct Config {
    /// Address to listen on.
    #[arg(long, env = "BIND", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// Port to listen on; 0 picks a free one.
    #[arg(long, env = "PORT", default_value_t = 8000)]
    pub port: u16,
    #[command(flatten)]
    pub requests: Requests,
    #[command(flatten)]
    pub server: server::Config,
    #[command(flatten)]
    pub origins: cors::Config,
    #[command(flatten)]
    pub authentication: authentication::Config,
    #[command(flatten)]
    pub limits: limits::Config,
    #[command(flatten)]
    pub cache: cache::Config,
    #[command(flatten)]
    pub nats: nats::Config,
    #[command(flatten)]
    pub redis: redis::Config,
    #[command(flatten)]
    pub lifecycle: lifecycle::Config,
    #[command(flatten)]
    pub telemetry: telemetry::Config,
}

/// Limits for single requests, and for all requests together.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Requests {
    /// Maximum size of an uploaded file, in MiB.
    #[arg(long, env = "MAX_UPLOAD_MB", default_value_t = 100)]
    pub max_upload_mb: u64,
    /// Maximum number of uploads received at the same time; each uses about 2 MiB of memory. Further uploads are
    /// answered with 503. One caller may use at most half of the uploads, and half of the streams of each kind.
    #[arg(long, env = "MAX_CONCURRENT_UPLOADS", default_value_t = 32)]
    pub max_concurrent_uploads: usize,
    /// Maximum number of requests in progress at the same time. Further requests are answered with 503.
    #[arg(long, env = "MAX_CONCURRENT_REQUESTS", default_value_t = 2048)]
    pub max_concurrent_requests: usize,
    /// Maximum number of JSON bodies received from one address at the same time; a large one counts once for each 64
    /// KiB. Beyond it, that address gets 429. Beyond four times as many from all addresses together, requests get 503.
    #[arg(long, env = "MAX_BODIES_PER_ADDRESS", default_value_t = 512)]
    pub max_bodies_per_address: usize,
    /// Minimum average speed of an upload, in KiB per second. An upload may take STALL_TIMEOUT seconds longer than at this speed.
    #[arg(long, env = "MIN_UPLOAD_KIB_PER_SECOND", default_value = "16")]
    pub min_upload_kib_per_second: NonZeroU32,
    /// Maximum number of streamed chat answers at the same time. Further ones are refused with 503.
    #[arg(long, env = "MAX_CHAT_STREAMS", default_value_t = 500)]
    pub max_chat_streams: usize,
    /// Maximum number of files that are downloaded at the same time; each uses up to 600 KiB of memory if its client does not
    /// read. Further ones are refused with 503.
    #[arg(long, env = "MAX_FILE_STREAMS", default_value_t = 200)]
    pub max_file_streams: usize,
    /// Maximum number of clients that follow a document's events at the same time. Further ones are answered with 503.
    #[arg(long, env = "MAX_EVENT_STREAMS", default_value_t = 500)]
    pub max_event_streams: usize,
    /// Maximum time that one client may follow events, in seconds; afterwards it may connect again.
    #[arg(long, env = "EVENT_STREAM_SECONDS", default_value = "900", value_parser = seconds)]
    pub event_stream_seconds: Duration,
    /// How long the workers' answer to a search may take, in seconds. A caller that waited for another caller's identical
    /// search, for less than half of this time, asks once more when the time of that one is over.
    #[arg(long, env = "SEARCH_TIMEOUT", default_value = "10", value_parser = seconds)]
    pub search_timeout: Duration,
    /// How long a chat's answer may take, in seconds.
    #[arg(long, env = "CHAT_TIMEOUT", default_value = "120", value_parser = seconds)]
    pub chat_timeout: Duration,
    /// How long an upload-and-query may wait for its document to be searchable, in seconds.
    #[arg(long, env = "UPLOAD_QUERY_TIMEOUT", default_value = "120", value_parser = seconds)]
    pub upload_query_timeout: Duration,
    /// How long a small query, such as looking up a document, may take, in seconds.
    #[arg(long, env = "LOOKUP_TIMEOUT", default_value = "5", value_parser = seconds)]
    pub lookup_timeout: Duration,
    /// How long a client may stop sending in the middle of an upload or stop reading an answer, and how long the whole
    /// body of any other request may take, in seconds.
    #[arg(long, env = "STALL_TIMEOUT", default_value = "30", value_parser = seconds)]
    pub stall_timeout: Duration,
}

/// Maximum number of connections that wait to be accepted; the kernel may lower it (`somaxconn`). A client that finds
/// this queue full tries again only after a second, so it is long: one client's burst should not delay the others.
const BACKLOG: u32 = 4_096;

pub fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}

impl Config {
    /// How long requests in progress may take after the stop signal. The last second is for flushing the traces.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.lifecycle.shutdown_timeout.saturating_sub(1))
    }

    /// Checks the authentication settings and opens the listening socket, before connecting to any other service.
    pub fn listen(&self) -> anyhow::Result<TcpListener> {
        self.authentication.check(self.bind)?;
        let address = SocketAddr::new(self.bind, self.port);
        let listen = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)?.into_std()
        };
        listen().with_context(|| format!("PORT: cannot listen on {address}"))
    }
}
