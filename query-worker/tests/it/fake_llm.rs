//! A fake language model: a server with the API of an OpenAI-compatible one (chat completions, streamed as
//! server-sent events), which answers with the text that a test gives it. The name of the model says that it
//! is a fake.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::post,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

pub const MODEL: &str = "fake-model-for-tests";

#[derive(Clone)]
pub struct FakeLlm {
    pub base_url: String,
    script: Arc<Mutex<Script>>,
    requests: Arc<Mutex<Vec<Value>>>,
    /// A piece is sent when there is a permit for it.
    permits: Arc<Semaphore>,
    /// How many streams have ended, by themselves or because the client has disconnected.
    ended: Arc<watch::Sender<usize>>,
}

#[derive(Clone)]
pub struct Script {
    pub pieces: Vec<String>,
    /// Refuse this many requests first, with this status.
    pub refusals: usize,
    pub status: u16,
    /// End without the closing chunk, as a server that dies does.
    pub dies: bool,
    /// Why the model stops, in the closing chunk.
    pub finish: &'static str,
    /// Report an error in place of the closing chunk.
    pub reports: bool,
}

impl FakeLlm {
    pub async fn start(pieces: &[&str]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            base_url: format!("http://{}/v1", listener.local_addr().unwrap()),
            script: Arc::new(Mutex::new(Script {
                pieces: pieces.iter().map(|piece| (*piece).to_owned()).collect(),
                refusals: 0,
                status: 503,
                dies: false,
                finish: "stop",
                reports: false,
            })),
            requests: Arc::default(),
            permits: Arc::new(Semaphore::new(1_000)),
            ended: Arc::new(watch::Sender::new(0)),
        };
        let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        fake
    }

    /// Returns the settings with which a worker uses this server.
    pub fn settings(&self) -> [String; 3] {
        [
            format!("--llm-base-url={}", self.base_url),
            format!("--llm-model={MODEL}"),
            "--llm-timeout=5".to_owned(),
        ]
    }

    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    /// From now on, a piece is sent only when [`Self::release`] allows it.
    pub fn hold(&self) {
        self.permits.forget_permits(1_000);
    }

    pub fn release(&self, pieces: usize) {
        self.permits.add_permits(pieces);
    }

    /// Returns the requests that the server has received, oldest first, each with its key (`authorization`).
    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }

    pub async fn wait_until_ended(&self, streams: usize) {
        let mut ended = self.ended.subscribe();
        let wait = ended.wait_for(|count| *count >= streams);
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the stream goes on").unwrap();
    }
}

/// Counts a stream's end when it is dropped, for whatever reason.
struct Ends(Arc<watch::Sender<usize>>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}

async fn complete(
    State(fake): State<FakeLlm>,
    headers: HeaderMap,
    Json(mut request): Json<Value>,
) -> Response {
    request["authorization"] = headers.get(AUTHORIZATION).map(|key| key.to_str().unwrap()).into();
    fake.requests.lock().unwrap().push(request);
    let script = {
        let mut script = fake.script.lock().unwrap();
        let now = script.clone();
        script.refusals = script.refusals.saturating_sub(1);
        now
    };
    if script.refusals > 0 {
        let error =
            json!({"error": {"message": "the fake refuses", "type": "fake", "param": null, "code": null}});
        return (StatusCode::from_u16(script.status).unwrap(), Json(error)).into_response();
    }
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let body = json!({
            "id": "fake-1", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [choice],
        });
        Ok::<_, Infallible>(Event::default().data(body.to_string()))
    };
    let stream = async_stream::stream! {
        let _ends = Ends(fake.ended.clone());
        yield chunk(json!({"role": "assistant"}), Value::Null);
        for piece in script.pieces {
            fake.permits.acquire().await.unwrap().forget();
            yield chunk(json!({"content": piece}), Value::Null);
        }
        if script.reports {
            yield Ok(Event::default().data(json!({"error": {"message": "out of memory"}}).to_string()));
        } else if !script.dies {
            yield chunk(json!({}), json!(script.finish));
            yield Ok(Event::default().data("[DONE]"));
        }
    };
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_millis(200))).into_response()
}
