//! Starts what a test needs, and speaks to it.

mod worker;

use std::time::Duration;

use api::{App, Config};
use chrono::Utc;
use clap::Parser as _;
use devstack::{Options, Stack};
use migrations::StreamSettings;
use platform::nats::Nats;
use reqwest::{Response, StatusCode};
use schemas::{
    DocumentId, ProjectId, Scope,
    document::{Document, Kind, State},
    event::{DocumentEvent, EventKind},
    ingest::{IngestDocument, Source},
    subjects,
};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use worker::Worker;

/// NATS and Valkey of one test, migrated.
pub struct Backends {
    pub stack: Stack,
    pub nats: Nats,
}

impl Backends {
    pub async fn start() -> Self {
        let options =
            Options { database_url: Some("postgres://none.invalid/none".into()), ..Options::default() };
        let stack = tokio::task::spawn_blocking(|| Stack::start(options)).await.unwrap().unwrap();
        let nats = config(&stack, &[]).nats.connect("test").await.unwrap();
        let settings = StreamSettings {
            nats_replicas: 1,
            max_queued_jobs: 100,
            max_queued_queries: 200,
            events_days: 1,
            files_gib: Some(1),
        };
        migrations::nats(&nats, &settings).await.unwrap();
        Self { stack, nats }
    }

    pub async fn api(&self, arguments: &[&str]) -> Api {
        Api::start(&self.stack, arguments).await
    }
}

/// Without limits and without tokens, unless a test says otherwise. A busy machine's slow answer is no outage of Redis.
const DEFAULTS: [&str; 6] = [
    "--redis-timeout-ms=5000",
    "--auth=off",
    "--rate-limit-search=off",
    "--rate-limit-chat=off",
    "--rate-limit-upload=off",
    "--rate-limit-login=off",
];

pub fn config(stack: &Stack, arguments: &[&str]) -> Config {
    let name = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
    let said: Vec<String> = arguments.iter().map(|argument| name(argument)).collect();
    let defaults = DEFAULTS.into_iter().filter(|default| !said.contains(&name(default)));
    let fixed = ["acorag-api", "--port=0", "--nats-url", stack.nats_url(), "--redis-url", stack.redis_url()];
    Config::try_parse_from(fixed.into_iter().chain(defaults).chain(arguments.iter().copied())).unwrap()
}

/// A running api and a client of it.
pub struct Api {
    pub url: String,
    pub http: reqwest::Client,
    stopping: CancellationToken,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Api {
    pub async fn start(stack: &Stack, arguments: &[&str]) -> Self {
        let config = config(stack, arguments);
        let listener = config.listen().unwrap();
        let scheme = if config.server.speaks_tls() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let stopping = CancellationToken::new();
        let app = App::connect(&config, stopping.clone()).await.unwrap();
        let serving = tokio::spawn(app.serve(&config, listener));
        Self { url, http: client(), stopping, serving: Some(serving) }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(self.at(path)).send().await.unwrap()
    }

    /// As the holder of a key.
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
    // The certificate of the tests is their own.
    reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap()
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// The JSON of an answer that must have this status.
pub async fn json(response: Response, status: u16) -> Value {
    let found = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(found, StatusCode::from_u16(status).unwrap(), "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A refusal in the one shape; returns its detail.
pub async fn refused(response: Response, status: u16) -> String {
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = json(response, status).await;
    assert_eq!(body["request_id"], id.as_str());
    assert!(body["error"].is_string());
    body["detail"].as_str().unwrap().to_owned()
}

/// A form with a file.
pub fn form(name: &str, content: impl Into<Vec<u8>>) -> reqwest::multipart::Form {
    let part = reqwest::multipart::Part::bytes(content.into()).file_name(name.to_owned());
    reqwest::multipart::Form::new().part("file", part)
}

pub fn digest(token: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn projects(ids: &[&str]) -> Scope {
    Scope::Projects(ids.iter().map(|id| id.parse().unwrap()).collect())
}

/// A document as a worker would know it.
pub fn document(project: &str, id: &str, state: State) -> Document {
    Document {
        document_id: id.parse().unwrap(),
        project_id: project.parse().unwrap(),
        kind: Kind::Document,
        state,
        percent: if state == State::Indexed { 100 } else { 0 },
        reason: None,
        title: format!("Title of {id}"),
        number: String::new(),
        category: String::new(),
        doc_type: String::new(),
        revision: String::new(),
        status: String::new(),
        author: String::new(),
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
    }
}

/// Jobs as the ingest workers would get them.
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

    /// Tells what became of a job.
    pub async fn announce(&self, job: &Job, kind: EventKind, shape: impl FnOnce(&mut DocumentEvent)) {
        let mut event = DocumentEvent::new(kind, job.project.clone(), job.document.clone(), Utc::now());
        event.request_id = job.headers.get("X-Request-Id").unwrap().as_str().to_owned();
        shape(&mut event);
        self.nats.publish(event.subject(), &platform::nats::Context::default(), None, &event).await.unwrap();
    }
}

impl Job {
    pub fn object(&self) -> &schemas::ingest::ObjectRef {
        match &self.ingest.as_ref().unwrap().source {
            Source::Object(object) => object,
            Source::Text(_) => panic!("an upload's job refers to an object"),
        }
    }
}

/// Waits until something holds; fails the test when it never does.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let give_up = tokio::time::Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(tokio::time::Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
