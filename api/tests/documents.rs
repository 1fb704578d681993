//! Documents: looking up, listing, following, deleting.

use schemas::{
    Message,
    document::{Reason, State},
    event::EventKind,
};

use crate::harness::{Backends, Jobs, Worker, document, json, refused, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_described_in_the_callers_language() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let mut failed = document("p", "a/b 1", State::Failed);
    failed.reason = Some(Reason {
        code: "scan".into(),
        message: Message { es: "Es un escaneo.".into(), en: "It is a scan.".into() },
    });
    *worker.documents.lock().unwrap() = vec![failed, document("q", "2", State::Indexed)];

    let body = json(api.get("/documents/a%2Fb%201").await, 200).await;
    assert_eq!((&body["reason"], &body["reason_code"]), (&"Es un escaneo.".into(), &"scan".into()));
    let english =
        api.http.get(api.at("/document/a%2Fb%201/preview?project_id=p")).header("accept-language", "en-US");
    assert_eq!(json(english.send().await.unwrap(), 200).await["reason"], "It is a scan.");
    assert!(json(api.get("/documents/2").await, 200).await["reason"].is_null());

    refused(api.get("/documents/2?project_id=p").await, 404).await;
    assert_eq!(json(api.get("/document/2/exists?project_id=p").await, 200).await["exists"], false);
    assert_eq!(json(api.get("/document/2/exists").await, 200).await["exists"], true);
    assert!(
        refused(api.get(&format!("/documents/{}", "x".repeat(129))).await, 400).await.starts_with("id: ")
    );

    let list = json(api.get("/documents?project_id=q&limit=5").await, 200).await;
    assert_eq!(list["documents"].as_array().unwrap().len(), 1);
    for bad in ["limit=0", "limit=201", "limit=x", "state=gone"] {
        let field = bad.split('=').next().unwrap();
        let detail = refused(api.get(&format!("/documents?{bad}")).await, 400).await;
        assert!(detail.starts_with(field), "{bad}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_followed_to_its_end() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    *worker.documents.lock().unwrap() = vec![document("p", "1", State::Queued)];
    let mut response = api.get("/documents/1/events").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut text = String::new();
    let mut read = async |until: &str| {
        while !text.contains(until) {
            match response.chunk().await.unwrap() {
                Some(chunk) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
                None => break,
            }
        }
        text.clone()
    };
    // The first event is the current state. Once it has arrived, the api is subscribed and no event can be
    // missed.
    read("event: queued").await;
    let announce = |kind, percent| {
        let mut event = schemas::event::DocumentEvent::new(
            kind,
            "p".parse().unwrap(),
            "1".parse().unwrap(),
            chrono::Utc::now(),
        );
        event.facts.percent = percent;
        let nats = backends.nats.clone();
        async move {
            nats.publish(event.subject(), &platform::nats::Context::default(), None, &event).await.unwrap();
        }
    };
    announce(EventKind::Processing, 40).await;
    read("\"percent\":40").await;
    // A `queued` event that arrives late, when processing has already begun.
    announce(EventKind::Queued, 0).await;
    announce(EventKind::Indexed, 100).await;
    let all = read("never").await;
    assert!(all.trim_end().ends_with('}') && all.contains("event: indexed"), "{all}");
    assert_eq!(all.matches("event: queued").count(), 1, "{all}");

    *worker.documents.lock().unwrap() = vec![document("p", "1", State::Indexed)];
    let over = api.get("/documents/1/events").await.text().await.unwrap();
    assert_eq!(over.matches("event: ").count(), 1, "{over}");
    refused(api.get("/documents/none/events").await, 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_are_bounded_in_number_and_time() {
    let backends = Backends::start().await;
    let api = backends.api(&["--max-event-streams=1"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    *worker.documents.lock().unwrap() = vec![document("p", "1", State::Queued)];
    let first = api.get("/documents/1/events").await;
    let second = api.get("/documents/1/events").await;
    assert_eq!(second.headers()["retry-after"], "10");
    refused(second, 503).await;
    drop(first);
    until("the place is free again", || async { api.get("/documents/1/events").await.status() == 200 }).await;

    let brief = backends.api(&["--event-stream-seconds=1"]).await;
    let text = brief.get("/documents/1/events").await.text().await.unwrap();
    assert!(text.contains("event: queued"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_is_a_job_of_the_documents_own_project() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    *worker.documents.lock().unwrap() = vec![document("p", "1", State::Indexed)];
    let mut jobs = Jobs::watch(&backends.nats).await;
    let request = api.http.delete(api.at("/documents/1")).send();
    let (response, ()) = tokio::join!(request, async {
        let job = jobs.next().await;
        assert_eq!(job.project.as_str(), "p");
        jobs.announce(&job, EventKind::Deleted, |_| {}).await;
    });
    let body = json(response.unwrap(), 200).await;
    assert_eq!((&body["status"], &body["project_id"]), (&"deleted".into(), &"p".into()));
    refused(api.http.delete(api.at("/documents/2")).send().await.unwrap(), 404).await;
}
