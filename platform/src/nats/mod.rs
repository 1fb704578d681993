//! NATS: connection, publishing, requests, consumers and the object store.

mod cancel;
pub mod consume;
pub mod direct;
pub mod objects;
pub mod publish;
pub mod request;
pub mod serve;
#[cfg(test)]
mod server;
pub mod stored;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use async_nats::{
    Client, ConnectOptions, Event, HeaderMap,
    client::FlushErrorKind,
    connection::State,
    jetstream::{self, context::ContextBuilder},
};
use schemas::headers;
use tokio::sync::Notify;

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// URL of NATS with JetStream; the addresses of several servers of a cluster are separated by commas.
    #[arg(long, env = "NATS_URL", default_value = "nats://127.0.0.1:4222", hide_env_values = true)]
    pub nats_url: String,
    /// User name, if the server requires one.
    #[arg(long, env = "NATS_USER")]
    pub nats_user: Option<String>,
    /// Password of NATS_USER.
    #[arg(long, env = "NATS_PASSWORD", hide_env_values = true)]
    pub nats_password: Option<String>,
    /// A credentials file (JWT and seed), used instead of a user name.
    #[arg(long, env = "NATS_CREDS")]
    pub nats_creds: Option<std::path::PathBuf>,
    /// File of an additional certificate authority to trust (PEM). If set, TLS is required.
    #[arg(long, env = "NATS_CA")]
    pub nats_ca: Option<std::path::PathBuf>,
}

/// A connection and its JetStream context. Both are shared: they are cloned several times for each
/// request, and their own clones allocate.
pub type Nats = Arc<Connection>;

#[derive(Debug)]
pub struct Connection {
    pub client: Client,
    pub jetstream: jetstream::Context,
    broken: Arc<Notify>,
}

impl Connection {
    /// Waits until the connection has broken; it connects again by itself.
    pub async fn broken(&self) {
        self.broken.notified().await;
    }

    /// Fails when the client has ended for good, which it does when a header has a form that it does not expect: without its
    /// client, a service would wait for ever.
    pub async fn watch(self: Arc<Self>) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Err(error) = self.client.flush().await
                && error.kind() == FlushErrorKind::SendError
            {
                return Err(error).context("the client of NATS has ended");
            }
        }
    }
}

impl Config {
    pub async fn connect(&self, service: &str) -> anyhow::Result<Nats> {
        let broken = Arc::new(Notify::new());
        let breaks = broken.clone();
        let mut options = ConnectOptions::new()
            .name(service)
            .connection_timeout(Duration::from_secs(5))
            .request_timeout(Some(Duration::from_secs(5)))
            .ping_interval(Duration::from_secs(10))
            .event_callback(move |event| {
                if matches!(event, Event::Disconnected | Event::ClientError(_)) {
                    breaks.notify_one();
                }
                std::future::ready(())
            });
        if let (Some(user), Some(password)) = (&self.nats_user, &self.nats_password) {
            options = options
                .user_and_password(user.clone(), password.clone())
                .custom_inbox_prefix(inbox_prefix(user));
        }
        if let Some(path) = &self.nats_creds {
            options =
                options.credentials_file(path).await.context("NATS_CREDS: cannot read the credentials")?;
        }
        if let Some(path) = &self.nats_ca {
            options = options.add_root_certificates(path.clone()).require_tls(true);
        }
        let addresses: Vec<&str> = self.nats_url.split(',').map(str::trim).collect();
        let client = options.connect(addresses).await.context("NATS_URL: cannot connect to NATS")?;
        let jetstream = ContextBuilder::new()
            .timeout(Duration::from_secs(5))
            .ack_timeout(Duration::from_secs(5))
            .backpressure_on_inflight(true)
            .build(client.clone());
        Ok(Arc::new(Connection { client, jetstream, broken }))
    }
}

/// Returns the inbox prefix of a service; the server allows no other service to subscribe to it (ops/nats/nats.conf).
/// The part of the user name after a hyphen only distinguishes two users of one service while its password is changed.
fn inbox_prefix(user: &str) -> String {
    let service = user.split_once('-').map_or(user, |(service, _)| service);
    format!("_INBOX_{service}")
}

pub(crate) async fn check(nats: Nats) -> Result<(), String> {
    match nats.client.connection_state() {
        State::Connected => Ok(()),
        _ => Err("not reachable".to_owned()),
    }
}

pub(crate) async fn check_stream(nats: Nats, stream: &'static str) -> Result<(), String> {
    check(nats.clone()).await?;
    let found = nats.jetstream.get_stream(stream).await;
    found.map(|_| ()).map_err(|_| format!("stream {stream} not reachable"))
}

/// The context of a message, passed on unchanged from the HTTP request to the database.
#[derive(Debug, Clone, Default)]
pub struct Context {
    pub request_id: String,
    /// In milliseconds since the Unix epoch.
    pub deadline: Option<i64>,
}

impl Context {
    pub fn new(request_id: impl Into<String>) -> Self {
        Self { request_id: request_id.into(), deadline: None }
    }

    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.deadline = Some(now_millis().saturating_add(millis));
        self
    }

    /// Returns the headers for a message that is sent in this context and in the current trace.
    pub fn headers(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(headers::VERSION, "1");
        if !self.request_id.is_empty() {
            map.insert(headers::REQUEST_ID, self.request_id.as_str());
        }
        if let Some(deadline) = self.deadline {
            map.insert(headers::DEADLINE, deadline.to_string().as_str());
        }
        crate::telemetry::inject(&mut map);
        map
    }

    /// Reads the context from a message's headers. A message without a valid request id gets a new one.
    pub fn of(headers: Option<&HeaderMap>) -> Self {
        let request_id = text(headers, headers::REQUEST_ID).filter(|id| is_request_id(id));
        let deadline = text(headers, headers::DEADLINE).and_then(|value| value.parse().ok());
        Self { request_id: request_id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string()), deadline }
    }

    /// Returns the time until the deadline: `None` if it has passed, and the maximum if there is no deadline.
    pub fn time_left(&self) -> Option<Duration> {
        let Some(deadline) = self.deadline else { return Some(Duration::MAX) };
        u64::try_from(deadline - now_millis()).ok().filter(|left| *left > 0).map(Duration::from_millis)
    }
}

/// Whether a request id is safe in logs and headers.
pub fn is_request_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}

/// Returns only those headers that may be copied to a message in another stream, each with one short value: JetStream
/// refuses a message with headers of 64 KiB, and the message must have room for further headers.
pub fn travelling(from: Option<&HeaderMap>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for name in headers::TRAVELLING {
        if let Some(value) = text(from, name).filter(|value| value.len() <= MAX_TRAVELLING_BYTES) {
            map.insert(name, value.as_str());
        }
    }
    map
}

/// Maximum length of the value of a header that is copied to another stream. The values of our own services are shorter.
const MAX_TRAVELLING_BYTES: usize = 512;

pub fn text(headers: Option<&HeaderMap>, name: &str) -> Option<String> {
    headers.and_then(|headers| headers.get(name)).map(|value| value.as_str().to_owned())
}

fn now_millis() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_missing_stream_and_a_lost_connection_are_told_apart() {
        let (stack, nats) = server::start().await;
        let outcomes = async || (check(nats.clone()).await, check_stream(nats.clone(), "JOBS").await);
        assert_eq!(outcomes().await, (Ok(()), Err("stream JOBS not reachable".to_owned())));
        let jobs = stream::Config { name: "JOBS".to_owned(), ..Default::default() };
        nats.jetstream.create_stream(jobs).await.unwrap();
        assert_eq!(outcomes().await, (Ok(()), Ok(())));
        tokio::task::block_in_place(|| stack.nats().unwrap().stop()).unwrap();
        let lost = async {
            while nats.client.connection_state() == State::Connected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), lost).await.unwrap();
        let error = Err("not reachable".to_owned());
        assert_eq!(outcomes().await, (error.clone(), error));
    }

    #[test]
    fn only_known_and_short_headers_travel_each_with_one_value() {
        let mut sent = HeaderMap::new();
        let long = "x".repeat(65_000);
        for (name, value) in [
            (headers::REQUEST_ID, "req-1"),
            (headers::REQUEST_ID, "req-2"),
            (headers::VERSION, long.as_str()),
            (headers::TRACEPARENT, long.as_str()),
            ("ACORAG-ACCEPTED", "no reader of ours knows this spelling"),
            ("Nats-Rollup", "all"),
        ] {
            sent.append(name, value);
        }
        let mut expected = HeaderMap::new();
        expected.insert(headers::REQUEST_ID, "req-1");
        assert_eq!(travelling(Some(&sent)), expected);
        assert!(travelling(None).is_empty());
    }
}
