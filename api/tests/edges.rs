//! What holds for every request.

use serde_json::json as value;

use crate::harness::{Backends, Worker, json, refused};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_a_request_id_and_every_refusal_the_one_shape() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    refused(api.get("/nowhere").await, 404).await;
    let wrong = api.get("/search").await;
    assert_eq!(wrong.headers()["allow"], "POST");
    refused(wrong, 405).await;
    let own = api.http.get(api.at("/health")).header("x-request-id", "mine-1").send().await.unwrap();
    assert_eq!(own.headers()["x-request-id"], "mine-1");
    let strange = api.http.get(api.at("/health")).header("x-request-id", "a b<c>").send().await.unwrap();
    assert_ne!(strange.headers()["x-request-id"], "a b<c>");
    assert_eq!(strange.headers()["referrer-policy"], "no-referrer");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_each_dependency_and_does_without_redis() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let body = json(api.get("/ready").await, 503).await;
    assert_eq!(
        (&body["checks"]["nats"], &body["checks"]["query_worker"]),
        (&"ok".into(), &"no answer".into())
    );
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    assert_eq!(json(api.get("/ready").await, 200).await["checks"]["redis"], "ok");
    backends.stack.stop_redis().unwrap();
    let body = json(api.get("/ready").await, 200).await;
    assert!(body["checks"]["redis"].as_str().unwrap().starts_with("degraded"), "{body}");
    assert_eq!(api.get("/health").await.text().await.unwrap(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_count_what_happened() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    json(api.post("/search", &value!({"query": "a"})).await, 200).await;
    refused(api.post("/search", &value!({"query": ""})).await, 400).await;
    let text = api.get("/metrics").await.text().await.unwrap();
    for line in [
        r#"search_requests_total{status="200"} 1"#,
        r#"search_requests_total{status="400"} 1"#,
        "search_duration_seconds_count 2",
        "active_users 1",
        r#"http_requests_total{endpoint="/search",method="POST",status="200"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_load_nothing_from_elsewhere() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    for path in ["/", "/docs"] {
        let response = api.get(path).await;
        assert_eq!(response.status(), 200);
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("http"), "{policy}");
        let page = response.text().await.unwrap();
        for outside in ["src=\"http", "src=\"//", "<link rel=\"stylesheet\" href=\"http", "@import url(http"]
        {
            assert!(!page.contains(outside), "{path} has {outside}");
        }
    }
    assert_eq!(api.get("/assets/app.js").await.headers()["content-type"], "text/javascript");
    refused(api.get("/assets/none.js").await, 404).await;
    let openapi = json(api.get("/openapi.json").await, 200).await;
    for path in
        ["/search", "/upload", "/documents", "/documents/{id}/events", "/document/{id}/file", "/ready"]
    {
        assert!(openapi["paths"].get(path).is_some(), "{path}");
    }
    assert!(openapi["components"]["schemas"]["Error"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_open_streams() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.documents.lock().unwrap().push(crate::harness::document(
        "p",
        "1",
        schemas::document::State::Queued,
    ));
    let stream = api.get("/documents/1/events").await;
    let (text, ()) = tokio::join!(stream.text(), api.stop());
    assert!(text.unwrap().contains("event: queued"));
}
