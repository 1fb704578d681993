//! With `AUTH=off`, everybody who can call may do everything; so only pages and host names of this machine
//! may call.

use serde_json::json as value;

use crate::harness::{Api, Backends, Worker, json, refused};

async fn search(api: &Api, header: &str, value: &str) -> reqwest::Response {
    // A form on a page of another machine can send this request: for it, browsers send no preflight request.
    let body = r#"{"query": "losa"}"#;
    api.http.post(api.at("/search")).header(header, value).body(body).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_elsewhere_reads_and_changes_nothing() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let refusal = search(&api, "origin", origin).await;
        assert!(!refusal.headers().contains_key("access-control-allow-origin"));
        assert!(refused(refusal, 403).await.contains("CORS_ORIGINS"), "{origin}");
    }
    // A foreign page can make its own host name resolve to this machine (DNS rebinding).
    let refusal = search(&api, "host", "evil.example:8000").await;
    assert!(refused(refusal, 403).await.contains("ALLOWED_HOSTS"));
    assert_eq!(worker.searches(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_names_of_this_machine_and_those_that_are_named_go_on_working() {
    let backends = Backends::start().await;
    let settings = ["--cors-origins=https://obra.example", "--allowed-hosts=taller.local"];
    let api = backends.api(&settings).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    for origin in [
        "http://localhost:3000",
        "http://127.0.0.1:5500",
        "http://[::1]:8080",
        "https://obra.example",
        "http://taller.local:8000",
    ] {
        let answer = search(&api, "origin", origin).await;
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
        json(answer, 200).await;
        let preflight = api.http.request(reqwest::Method::OPTIONS, api.at("/documents/1"));
        let preflight = preflight.header("origin", origin).header("access-control-request-method", "DELETE");
        assert_eq!(preflight.send().await.unwrap().headers()["access-control-allow-origin"], origin);
    }
    for host in ["localhost:8000", "127.0.0.1", "taller.local"] {
        json(search(&api, "host", host).await, 200).await;
    }
    // Programs other than browsers send no `Origin` header.
    json(api.post("/search", &value!({"query": "losa"})).await, 200).await;
}
