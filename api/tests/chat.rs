//! Chat, its history, and questions to an upload.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use platform::nats::serve::Replier;
use schemas::{
    Problem,
    chat::{ChatFrame, ChatQuery, ChatReply, Source},
    event::EventKind,
};
use serde_json::json as value;
use tokio::sync::Notify;

use crate::{
    cache::{redis, renew},
    harness::{Backends, Jobs, Worker, form, json, refused, until},
    search::row,
};

/// How the stand-in for a query worker answers chats.
#[derive(Default)]
pub struct Script {
    pub asked: Mutex<Vec<ChatQuery>>,
    pub refusal: Mutex<Option<Problem>>,
    /// Whether the answer fails after its first word.
    pub break_off: AtomicBool,
    /// Notify this to let the worker send the second word.
    pub go_on: Notify,
    pub abandoned: AtomicBool,
}

impl Script {
    pub async fn play(&self, query: ChatQuery, replier: Replier) -> Result<ChatReply, Problem> {
        self.asked.lock().unwrap().push(query.clone());
        let refusal = self.refusal.lock().unwrap().clone();
        if let Some(problem) = refusal {
            return Err(problem);
        }
        if query.stream {
            let watch = Watch(self);
            let word = |text: &str| ChatFrame { text: text.into(), restart: false };
            replier.frame(&word("La ")).await.unwrap();
            if self.break_off.load(Ordering::SeqCst) {
                std::mem::forget(watch);
                return Err(Problem::unavailable());
            }
            self.go_on.notified().await;
            replier.frame(&word("losa [1].")).await.unwrap();
            std::mem::forget(watch);
        }
        Ok(ChatReply {
            question: query.message,
            answer: "La losa [1].".into(),
            sources: vec![Source { citation: 1, row: row("p", "1") }],
            conversation_id: "c".into(),
            session_id: "c".into(),
            context_used: "Losa".into(),
            found: true,
            answered_by: "extractive".into(),
            notice: String::new(),
            reusable: Some(vec!["p".parse().unwrap()]),
        })
    }
}

struct Watch<'s>(&'s Script);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_shapes_are_answered() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let old =
        value!({"question": "¿Espesor?", "max_context_docs": 3, "project_id": "p", "session_id": "conv_7"});
    let body = json(api.post("/chat", &old).await, 200).await;
    assert_eq!(
        (&body["question"], &body["session_id"], &body["conversation_id"]),
        (&"¿Espesor?".into(), &"c".into(), &"c".into())
    );
    assert_eq!((&body["sources"][0]["citation"], &body["sources"][0]["page"]), (&1.into(), &2.into()));
    assert!(body["context_used"].is_string());
    assert_eq!(worker.chat.asked.lock().unwrap()[0].conversation_id.as_deref(), Some("conv_7"));
    for path in ["/history/conv_7", "/chat/history/user-1?limit=20", "/api/chat/history/user-1"] {
        assert_eq!(json(api.get(path).await, 200).await, value!({"history": []}));
    }
    assert!(refused(api.get("/chat/history/u?limit=0").await, 400).await.starts_with("limit"));
    assert!(refused(api.post("/chat", &value!({"message": " "})).await, 400).await.starts_with("message"));
    assert!(refused(api.post("/chat", &value!({"message": 7})).await, 400).await.starts_with("message"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_may_be_sent_back_whole() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let mut body = json(api.post("/chat", &value!({"question": "¿Espesor?"})).await, 200).await;
    body["message"] = "¿Y el ancho?".into();
    body["stream"] = "false".into();
    body["history"] = value!([{"role": "User", "content": "¿Espesor?"}, {"role": "tool", "content": "x"}]);
    json(api.post("/chat", &body).await, 200).await;
    {
        let asked = worker.chat.asked.lock().unwrap();
        assert_eq!(
            (asked[1].message.as_str(), asked[1].conversation_id.as_deref()),
            ("¿Y el ancho?", Some("c"))
        );
        assert_eq!(asked[1].history.len(), 1);
    }

    for (feedback, session) in [
        (value!({"session_id": "c", "conversation_id": "c", "rating": "5"}), "c"),
        (value!({"session_id": null, "rating": 5}), ""),
        (value!({"rating": 5}), ""),
    ] {
        let saved = json(api.post("/feedback", &feedback).await, 200).await;
        assert_eq!((&saved["session_id"], &saved["rating"]), (&session.into(), &5.into()), "{feedback}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_again_until_something_is_committed() {
    let backends = Backends::start().await;
    let (api, other) = (backends.api(&[]).await, backends.api(&[]).await);
    let redis = redis(&backends).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let question = value!({"message": "¿Espesor?", "project_id": "p"});
    let first = json(api.post("/chat", &question).await, 200).await;
    assert!(first.get("reusable").is_none(), "{first}");
    // Whether the worker was given the answer.
    let was_known = || {
        let asked = worker.chat.asked.lock().unwrap();
        asked.last().unwrap().known.as_ref().map(|known| (known.answer.clone(), known.projects.len()))
    };
    assert_eq!(was_known(), None);
    json(other.post("/chat", &question).await, 200).await;
    assert_eq!(was_known(), Some(("La losa [1].".to_owned(), 1)));

    for different in [
        value!({"message": "¿Y el ancho?", "project_id": "p"}),
        value!({"message": "¿Espesor?", "project_id": "q"}),
        value!({"message": "¿Espesor?"}),
        value!({"message": "¿Espesor?", "project_id": "p", "max_context_docs": 2}),
        value!({"message": "¿Espesor?", "project_id": "p", "conversation_id": "c"}),
        value!({"message": "¿Espesor?", "project_id": "p", "history": [{"role": "user", "content": "¿Y?"}]}),
    ] {
        json(api.post("/chat", &different).await, 200).await;
        assert_eq!(was_known(), None, "{different}");
    }

    renew(&redis, &["acorag:gen:p", "acorag:gen"]).await;
    json(api.post("/chat", &question).await, 200).await;
    assert_eq!(was_known(), None);
    json(api.post("/chat", &question).await, 200).await;
    assert!(was_known().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn words_reach_the_client_as_they_are_said() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let ask = || {
        api.http
            .post(api.at("/chat"))
            .header("accept", "text/event-stream")
            .json(&value!({"message": "¿Espesor?"}))
    };
    let mut response = ask().send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let first = response.chunk().await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    assert!(first.contains("event: token") && first.contains("La ") && !first.contains("losa"), "{first}");
    // The worker sends the rest only now, so the first word was delivered before the others existed.
    worker.chat.go_on.notify_one();
    let rest = response.text().await.unwrap();
    assert!(rest.contains("losa [1].") && rest.contains("event: done"), "{rest}");
    let done = rest.split("event: done\ndata: ").nth(1).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(done.trim()).unwrap()["answer"], "La losa [1].");

    let dropped = ask().send().await.unwrap();
    drop(dropped);
    until("the worker stops", || async { worker.chat.abandoned.load(Ordering::SeqCst) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_says_so() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let stream = value!({"message": "a", "stream": true});
    worker.chat.break_off.store(true, Ordering::SeqCst);
    let text = api.post("/chat", &stream).await.text().await.unwrap();
    let error = text.split("event: error\ndata: ").nth(1).unwrap();
    let error: serde_json::Value = serde_json::from_str(error.trim()).unwrap();
    assert_eq!(error["error"], "Service unavailable");
    assert!(error["request_id"].is_string());
    // An error before the first word is an ordinary error response.
    *worker.chat.refusal.lock().unwrap() = Some(Problem::overloaded());
    refused(api.post("/chat", &stream).await, 503).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_stop_cuts_off_says_so() {
    let backends = Backends::start().await;
    let api = backends.api(&["--shutdown-timeout=4"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let answer = api.post("/chat", &value!({"message": "a", "stream": true})).await;
    let (text, ()) = tokio::join!(answer.text(), api.stop());
    let text = text.unwrap();
    assert!(text.contains("event: token") && text.contains("event: error"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_to_an_upload_is_asked_of_it_alone() {
    let backends = Backends::start().await;
    let api = backends.api(&["--upload-query-timeout=1"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let mut jobs = Jobs::watch(&backends.nats).await;
    let asking = api.upload("/upload-and-query", form("a.txt", "x").text("question", "¿Espesor?"));
    let (response, id) = tokio::join!(asking, async {
        let job = jobs.next().await;
        jobs.announce(&job, EventKind::Indexed, |event| event.facts.chunks = Some(2)).await;
        job.document
    });
    let body = json(response, 200).await;
    assert_eq!(
        (&body["upload_result"]["chunks_created"], &body["query_result"]["answer"]),
        (&2.into(), &"La losa [1].".into())
    );
    assert_eq!(worker.chat.asked.lock().unwrap()[0].document_id, Some(id));

    let asking = api.upload("/upload-and-query", form("old.txt", "x").text("message", "¿Espesor?"));
    let (response, ()) = tokio::join!(asking, async {
        let job = jobs.next().await;
        jobs.announce(&job, EventKind::Superseded, |_| {}).await;
    });
    let body = json(response, 200).await;
    assert!(body["query_result"]["notice"].as_str().unwrap().contains("revisión más nueva"), "{body}");

    assert!(
        refused(api.upload("/upload-and-query", form("a.txt", "y")).await, 400).await.starts_with("question")
    );
    let late = api.upload("/upload-and-query", form("b.txt", "y").text("question", "¿?")).await;
    assert!(refused(late, 504).await.contains("/documents/"));
}
