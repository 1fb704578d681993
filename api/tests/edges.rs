//! What does not depend on the route: request ids, errors, readiness, metrics, origins, TLS, limits and
//! shutdown.

use std::time::Duration;

use schemas::subjects;
use serde_json::json as value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{Backends, Jobs, Worker, form, json, refused, until};

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
async fn a_slash_at_the_end_changes_nothing_and_leads_nowhere_else() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    json(api.post("/search/", &value!({"query": "losa"})).await, 200).await;
    assert_eq!(worker.searches(), 1);
    json(api.get("/documents/?limit=5").await, 200).await;
    assert!(refused(api.get("/documents/?limit=0").await, 400).await.starts_with("limit"));
    for path in ["/nowhere/", "//obra.example/", "//"] {
        let response = api.get(path).await;
        assert!(!response.headers().contains_key("location"), "{path}");
        refused(response, 404).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_each_dependency_and_does_without_redis() {
    let backends = Backends::with_own_redis().await;
    let api = backends.api(&[]).await;
    let body = json(api.get("/ready").await, 503).await;
    assert_eq!(
        (&body["checks"]["nats"], &body["checks"]["query_worker"]),
        (&"ok".into(), &"no answer".into())
    );
    let worker = Worker::default();
    let answering = worker.start(&backends.nats);
    // Results of checks are cached for a second, so this waits.
    until("it is ready", || async { api.get("/ready").await.status() == 200 }).await;
    assert_eq!(json(api.get("/ready").await, 200).await["checks"]["redis"], "ok");
    backends.own_redis().redis().unwrap().stop().unwrap();
    until("Redis is missed", || async {
        let body = json(api.get("/ready").await, 200).await;
        body["checks"]["redis"].as_str().unwrap().starts_with("degraded")
    })
    .await;
    assert_eq!(api.get("/health").await.text().await.unwrap(), r#"{"status":"ok"}"#);
    // Workers that do not answer in time are slow for every replica, so this one stays ready.
    answering.cancel();
    until("the worker is missed", || async {
        let body = json(api.get("/ready").await, 200).await;
        body["checks"]["query_worker"] == "degraded: no answer"
    })
    .await;
    // The same is true of JetStream.
    backends.nats.jetstream.delete_stream(subjects::INGEST_STREAM).await.unwrap();
    until("JetStream is missed", || async {
        let body = json(api.get("/ready").await, 200).await;
        assert_eq!(body["checks"]["nats"], "ok");
        body["checks"]["jetstream"] == "degraded: stream INGEST not reachable"
    })
    .await;
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
    refused(api.get("/assets/%FF").await, 400).await;
    let openapi = json(api.get("/openapi.json").await, 200).await;
    for path in
        ["/search", "/upload", "/documents", "/documents/{id}/events", "/document/{id}/file", "/ready"]
    {
        assert!(openapi["paths"].get(path).is_some(), "{path}");
    }
    let schemas = &openapi["components"]["schemas"];
    assert!(schemas["Error"].is_object() && schemas["DocumentEvent"].is_object());
    let history = &schemas["ChatRequest"]["properties"]["history"]["description"];
    assert!(history.as_str().unwrap().contains("Ignored if turns are stored"), "{history}");
    let events = &openapi["paths"]["/documents/{id}/events"]["get"]["responses"];
    let event = &events["200"]["content"]["text/event-stream"]["schema"];
    let data = value!({"$ref": "#/components/schemas/DocumentEvent"});
    assert_eq!(event["properties"]["data"]["contentSchema"], data);
    for header in
        ["Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"]
    {
        assert!(events["429"]["headers"][header].is_object(), "{header}");
    }
    let file = &openapi["paths"]["/document/{id}/file"]["get"]["responses"];
    for status in ["200", "206"] {
        assert_eq!(file[status]["content"], value!({"*/*": {}}));
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_stop_cuts_off_is_refused() {
    let backends = Backends::start().await;
    let api = backends.api(&["--shutdown-timeout=4"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    *worker.search_time.lock().unwrap() = Duration::from_secs(60);
    let search = api.http.post(api.at("/search")).json(&value!({"query": "losa"})).send();
    let (response, ()) = tokio::join!(search, async {
        until("the worker has it", || async { worker.searches() == 1 }).await;
        api.stop().await;
    });
    refused(response.unwrap(), 503).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_tells_whoever_waits_that_the_upload_is_safe() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let mut jobs = Jobs::watch(&backends.nats).await;
    let waiting = api.http.post(api.at("/upload?wait=300")).multipart(form("a.txt", "uno")).send();
    let asking = form("b.txt", "dos").text("question", "¿Qué dice?");
    let asking = api.http.post(api.at("/upload-and-query")).multipart(asking).send();
    // Both clients must get an answer while the server stops; otherwise the server would close their
    // connections at the end.
    let (waited, asked, ()) = tokio::join!(waiting, asking, async {
        jobs.next().await;
        jobs.next().await;
        api.stop().await;
    });
    assert_eq!(json(waited.unwrap(), 202).await["status"], "accepted");
    assert!(refused(asked.unwrap(), 504).await.contains("/documents/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_may_call() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required"]).await;
    let preflight = |api: &crate::harness::Api, origin: &str| {
        api.http
            .request(reqwest::Method::OPTIONS, api.at("/search"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .send()
    };
    let response = preflight(&api, "https://obra.example").await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["access-control-allow-headers"], "authorization,content-type");
    let refusal =
        api.http.post(api.at("/search")).header("origin", "https://obra.example").send().await.unwrap();
    assert_eq!(
        refusal.headers()["access-control-allow-origin"],
        "*",
        "a page must be able to read a refusal"
    );
    assert_eq!(refusal.headers()["access-control-expose-headers"], "*", "such as Retry-After");

    let strict = backends.api(&["--auth=required", "--cors-origins=https://obra.example"]).await;
    let own = preflight(&strict, "https://obra.example").await.unwrap();
    assert_eq!(own.headers()["access-control-allow-origin"], "https://obra.example");
    let other = preflight(&strict, "https://other.example").await.unwrap();
    assert!(!other.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_it_speaks_https() {
    let backends = Backends::start().await;
    let certificate = concat!("--tls-cert=", env!("CARGO_MANIFEST_DIR"), "/tests/keys/tls.crt");
    let key = concat!("--tls-key=", env!("CARGO_MANIFEST_DIR"), "/tests/keys/tls.key");
    let api = backends.api(&[certificate, key]).await;
    let response = api.get("/health").await;
    assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
    assert_eq!(response.text().await.unwrap(), r#"{"status":"ok"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_bounds_in_time_and_size() {
    let backends = Backends::start().await;
    let impatient = backends.api(&["--header-timeout=1"]).await;
    let mut slow = TcpStream::connect(impatient.address()).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(60), slow.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is still open");

    let api = backends.api(&["--max-headers=20", "--header-timeout=300"]).await;
    for head in [format!("X: {}\r\n", "x".repeat(70_000)), "X: y\r\n".repeat(30)] {
        let mut large = TcpStream::connect(api.address()).await.unwrap();
        drop(
            large
                .write_all(format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{head}\r\n").as_bytes())
                .await,
        );
        let mut answer = [0; 12];
        large.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_takes_the_place_of_the_one_that_waited_longest() {
    let backends = Backends::start().await;
    let bounds = ["--max-connections=3", "--max-connections-per-address=3", "--header-timeout=300"];
    let api = backends.api(&bounds).await;
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut connection = TcpStream::connect(api.address()).await.unwrap();
        assert!(is_served(&mut connection).await);
        connections.push(connection);
    }
    let mut served = Vec::new();
    for connection in &mut connections {
        served.push(is_served(connection).await);
    }
    assert_eq!(served, [false, true, true, true], "the one that waited longest gave way");
    // A closed connection makes room for a new one.
    drop(connections);
    until("there is room again", || async { api.http.get(api.at("/health")).send().await.is_ok() }).await;
}

pub async fn is_served(connection: &mut TcpStream) -> bool {
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\n\r\n";
    let mut answer = Vec::new();
    if connection.write_all(request).await.is_err() {
        return false;
    }
    while !answer.ends_with(br#"{"status":"ok"}"#) {
        match connection.read_buf(&mut answer).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_is_refused_so_that_a_page_can_read_it() {
    let backends = Backends::start().await;
    let api = backends.api(&["--max-concurrent-requests=1"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    *worker.search_time.lock().unwrap() = Duration::from_secs(4);
    let body = value!({"query": "a"});
    let search =
        || api.http.post(api.at("/search")).header("origin", "http://localhost:3000").json(&body).send();
    let (first, second) = tokio::join!(search(), async {
        until("the first is with the worker", || async { worker.searches() == 1 }).await;
        // Probes are never refused.
        assert_eq!(api.get("/health").await.status(), 200);
        search().await
    });
    assert_eq!(first.unwrap().status(), 200);
    let second = second.unwrap();
    assert!(second.headers().contains_key("retry-after"));
    assert_eq!(second.headers()["access-control-allow-origin"], "http://localhost:3000");
    refused(second, 503).await;
}
