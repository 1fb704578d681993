//! Starts the servers and the api that a test needs, and sends requests to them.

mod worker;

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    sync::Mutex,
    time::Duration,
};

use api::{App, Config, server};
use chrono::Utc;
use clap::Parser as _;
use devstack::{NatsConfiguration, Options, Stack};
use futures::TryStreamExt as _;
use migrations::StreamSettings;
use platform::nats::Nats;
use reqwest::{Response, StatusCode};
use schemas::{
    DocumentId, Fields, ProjectId, Scope,
    document::{Document, Facts, Kind, State},
    event::{DocumentEvent, EventKind},
    ingest::{IngestDocument, Source},
    subjects,
};
use serde_json::Value;
use tokio::{
    sync::{OnceCell, Semaphore, SemaphorePermit},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

pub use worker::Worker;

/// The NATS and Valkey of one test, already migrated. The servers are shared by the tests that run at the
/// same time; each test has its own NATS account and its own Valkey database there.
pub struct Backends {
    pub nats: Nats,
    /// The command-line arguments with the addresses of both servers.
    pub addresses: [String; 4],
    /// A Valkey that this test may stop.
    own: Option<Stack>,
    share: Share,
}

impl Backends {
    pub async fn start() -> Self {
        Self::on(Share::take().await, None).await
    }

    /// Starts with a separate Valkey server, which the test may stop.
    pub async fn with_own_redis() -> Self {
        let own = start(Options { nats_url: Some(String::new()), ..Options::default() }).await;
        Self::on(Share::take().await, Some(own)).await
    }

    async fn on(share: Share, own: Option<Stack>) -> Self {
        let stack = &share.servers.stack;
        let redis = match &own {
            Some(own) => own.redis_url().to_owned(),
            None => format!("{}/{}", stack.redis_url(), share.number),
        };
        let addresses = [
            format!("--nats-url={}", stack.nats_url()),
            format!("--nats-user=t{}", share.number),
            format!("--nats-password=t{}", share.number),
            format!("--redis-url={redis}"),
        ];
        let config = Config::try_parse_from([&["api".to_owned()], &addresses[..]].concat()).unwrap();
        let nats = config.nats.connect("test").await.unwrap();
        let before: Vec<String> = nats.jetstream.stream_names().try_collect().await.unwrap();
        for stream in before {
            nats.jetstream.delete_stream(stream).await.unwrap();
        }
        let settings = StreamSettings {
            nats_replicas: 1,
            max_queued_jobs: 100,
            max_queued_queries: 200,
            events_days: 1,
            files_gib: Some(1),
            parts_gib: 1,
        };
        migrations::nats(&nats, &settings).await.unwrap();
        Self { nats, addresses, own, share }
    }

    pub async fn api(&self, arguments: &[&str]) -> Api {
        Api::start(self.config(arguments)).await
    }

    /// Returns a configuration without rate limits and without tokens, except for what `arguments` sets.
    pub fn config(&self, arguments: &[&str]) -> Config {
        let name = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
        let said: Vec<String> = arguments.iter().map(|argument| name(argument)).collect();
        let defaults = DEFAULTS.into_iter().filter(|default| !said.contains(&name(default)));
        let all = ["acorag-api", "--port=0"].into_iter().chain(defaults).chain(arguments.iter().copied());
        Config::try_parse_from(all.map(ToOwned::to_owned).chain(self.addresses.clone())).unwrap()
    }

    /// Returns the folder in which the servers keep their files.
    pub fn folder(&self) -> &std::path::Path {
        self.share.servers.stack.logs().parent().unwrap()
    }

    /// Returns the Valkey that [`with_own_redis`](Self::with_own_redis) started.
    pub fn own_redis(&self) -> &Stack {
        self.own.as_ref().unwrap()
    }
}

/// Number of NATS accounts and of Valkey databases, and so the maximum number of tests that run at the same
/// time. More would need more disk: NATS reserves for every account the space that its streams may fill.
const SHARES: usize = 8;

/// The servers that all tests of this program share. They end when the program ends.
struct Servers {
    stack: Stack,
    /// The numbers of the free shares; the one that has been free longest is first.
    free: Mutex<VecDeque<usize>>,
    permits: Semaphore,
}

/// The part of the shared servers that one test uses: an account of NATS and a database of Valkey.
struct Share {
    servers: &'static Servers,
    number: usize,
    _permit: SemaphorePermit<'static>,
}

impl Share {
    async fn take() -> Self {
        static SERVERS: OnceCell<Servers> = OnceCell::const_new();
        let servers = SERVERS.get_or_init(Servers::start).await;
        let permit = servers.permits.acquire().await.unwrap();
        let number = servers.free.lock().unwrap().pop_front().unwrap();
        let address = servers.stack.redis_url().strip_prefix("redis://").unwrap();
        // Removes what the previous test left in this database.
        let mut redis = TcpStream::connect(address).unwrap();
        redis.write_all(format!("SELECT {number}\r\nFLUSHDB\r\n").as_bytes()).unwrap();
        let mut answer = [0; 10];
        redis.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+OK\r\n+OK\r\n");
        Self { servers, number, _permit: permit }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.servers.free.lock().unwrap().push_back(self.number);
    }
}

impl Servers {
    async fn start() -> Self {
        let accounts: String = (0..SHARES)
            .map(|n| format!("A{n} {{ jetstream: enabled, users: [{{user: t{n}, password: t{n}}}] }}\n"))
            .collect();
        let file =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("nats-{}.conf", std::process::id()));
        std::fs::write(&file, format!("accounts {{\n{accounts}}}\n")).unwrap();
        let nats = NatsConfiguration { file: file.clone(), environment: Vec::new() };
        let stack = start(Options { nats: Some(nats), ..Options::default() }).await;
        std::fs::remove_file(file).unwrap();
        Self { stack, free: Mutex::new((0..SHARES).collect()), permits: Semaphore::new(SHARES) }
    }
}

/// Starts servers, but no PostgreSQL, because the api does not use it.
async fn start(options: Options) -> Stack {
    let options = Options { database_url: Some(String::new()), ..options };
    tokio::task::spawn_blocking(|| Stack::start(options)).await.unwrap().unwrap()
}

/// Default arguments of an api under test. Redis has a long timeout, because a slow answer on a busy machine
/// must not count as an outage.
const DEFAULTS: [&str; 6] = [
    "--redis-timeout-ms=5000",
    "--auth=off",
    "--rate-limit-search=off",
    "--rate-limit-chat=off",
    "--rate-limit-upload=off",
    "--rate-limit-login=off",
];

/// A running api and a client of it.
pub struct Api {
    pub url: String,
    pub http: reqwest::Client,
    stopping: CancellationToken,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Api {
    async fn start(config: Config) -> Self {
        let listener = config.listen().unwrap();
        let scheme = if config.server.speaks_tls() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let stopping = CancellationToken::new();
        let app = App::connect(&config, stopping.clone()).await.unwrap();
        let serving = tokio::spawn(server::serve(app, config, listener));
        Self { url, http: client(), stopping, serving: Some(serving) }
    }

    /// Returns host and port, for a test that writes its HTTP requests itself.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(self.at(path)).send().await.unwrap()
    }

    /// Sends the request with this API key.
    pub async fn get_as(&self, key: &str, path: &str) -> Response {
        self.http.get(self.at(path)).bearer_auth(key).send().await.unwrap()
    }

    pub async fn post_as(&self, key: &str, path: &str, body: &Value) -> Response {
        self.http.post(self.at(path)).bearer_auth(key).json(body).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.http.post(self.at(path)).json(body).send().await.unwrap()
    }

    pub async fn upload(&self, path: &str, form: reqwest::multipart::Form) -> Response {
        self.http.post(self.at(path)).multipart(form).send().await.unwrap()
    }

    pub async fn stop(mut self) {
        self.stopping.cancel();
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap().unwrap();
        }
    }
}

fn client() -> reqwest::Client {
    // The certificate of the tests is self-signed, so this accepts any certificate.
    reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap()
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// Returns the JSON body of a response, which must have this status.
pub async fn json(response: Response, status: u16) -> Value {
    let found = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(found, StatusCode::from_u16(status).unwrap(), "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Checks that the response is an error with the common body; returns its `detail`.
pub async fn refused(response: Response, status: u16) -> String {
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["content-type"], "application/json");
    if status == 429 {
        for header in ["retry-after", "ratelimit-remaining", "ratelimit-reset"] {
            assert!(response.headers().contains_key(header), "{header}");
        }
    }
    let body = json(response, status).await;
    assert_eq!(body["request_id"], id.as_str());
    assert!(body["error"].is_string());
    body["detail"].as_str().unwrap().to_owned()
}

/// Returns an upload form with one file.
pub fn form(name: &str, content: impl Into<Vec<u8>>) -> reqwest::multipart::Form {
    let part = reqwest::multipart::Part::bytes(content.into()).file_name(name.to_owned());
    reqwest::multipart::Form::new().part("file", part)
}

pub fn digest(token: &str) -> String {
    use sha2::Digest as _;
    schemas::text::hex(sha2::Sha256::digest(token))
}

pub fn projects(ids: &[&str]) -> Scope {
    Scope::Projects(ids.iter().map(|id| id.parse().unwrap()).collect())
}

/// Returns a document as a query worker would describe it.
pub fn document(project: &str, id: &str, state: State) -> Document {
    let facts = Facts {
        document_id: id.parse().unwrap(),
        project_id: project.parse().unwrap(),
        kind: Kind::Document,
        state,
        percent: if state == State::Indexed { 100 } else { 0 },
        fields: Fields { title: format!("Title of {id}"), ..Fields::default() },
        filename: format!("{id}.pdf"),
        file_type: "pdf".into(),
        date_modified: None,
        size: 0,
        sha256: String::new(),
        pages: 1,
        chunks: 3,
        text_length: 400,
        records: None,
        parent_id: None,
        superseded_by: None,
        accepted_at: Utc::now(),
        indexed_at: None,
        metadata: Default::default(),
    };
    Document { facts, reason: None }
}

/// The jobs that the api publishes, as the ingest workers would receive them.
pub struct Jobs {
    nats: Nats,
    messages: async_nats::Subscriber,
}

#[derive(Debug)]
pub struct Job {
    pub project: ProjectId,
    pub document: DocumentId,
    pub headers: async_nats::HeaderMap,
    pub ingest: Option<IngestDocument>,
}

impl Jobs {
    pub async fn watch(nats: &Nats) -> Self {
        let messages = nats.client.subscribe("acorag.v1.ingest.>").await.unwrap();
        nats.client.flush().await.unwrap();
        Self { nats: nats.clone(), messages }
    }

    pub async fn next(&mut self) -> Job {
        use futures::StreamExt as _;
        let message =
            tokio::time::timeout(Duration::from_secs(60), self.messages.next()).await.unwrap().unwrap();
        let (project, document) = subjects::parse_job(&message.subject).unwrap();
        Job {
            project,
            document,
            headers: message.headers.unwrap_or_default(),
            ingest: serde_json::from_slice(&message.payload).ok(),
        }
    }

    /// Publishes an event about the job's document, as an ingest worker does.
    pub async fn announce(&self, job: &Job, kind: EventKind, shape: impl FnOnce(&mut DocumentEvent)) {
        let mut event = DocumentEvent::new(kind, job.project.clone(), job.document.clone(), Utc::now());
        event.facts.request_id = job.headers.get("X-Request-Id").unwrap().as_str().to_owned();
        shape(&mut event);
        self.nats.publish(event.subject(), &platform::nats::Context::default(), None, &event).await.unwrap();
    }
}

impl Job {
    pub fn object(&self) -> &schemas::ingest::ObjectRef {
        match &self.ingest.as_ref().unwrap().source {
            Source::Object(object) => object,
            other => panic!("an upload's job refers to an object, not {other:?}"),
        }
    }
}

/// Waits until `holds` returns true; fails the test after 60 seconds. `what` describes the condition.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let give_up = tokio::time::Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(tokio::time::Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
