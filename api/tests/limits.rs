//! Rate limits.

use std::time::{Duration, Instant};

use schemas::{
    Scope,
    account::{CallerLimits, Role},
};
use serde_json::json as value;

use crate::harness::{Api, Backends, Worker, digest, form, json, refused, until};

async fn statuses(apis: &[&Api], calls: usize) -> Vec<u16> {
    let body = value!({"query": "losa"});
    let calls = (0..calls).map(|call| apis[call % apis.len()].post("/search", &body));
    futures::future::join_all(calls).await.iter().map(|response| response.status().as_u16()).collect()
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|found| **found == status).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_is_exact_across_replicas() {
    let backends = Backends::start().await;
    let limit = ["--rate-limit-search=100/minute"];
    let (one, two) = (backends.api(&limit).await, backends.api(&limit).await);
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    // Connects to both replicas first, so that the measured time contains only calls that the limit counts.
    for api in [&one, &two] {
        assert_eq!(api.get("/health").await.status(), 200);
    }
    let started = Instant::now();
    let mut found = Vec::new();
    for _ in 0..4 {
        found.extend(statuses(&[&one, &two], 100).await);
    }
    let refilled = started.elapsed().as_secs_f64() * 100.0 / 60.0;
    let passed = count(&found, 200);
    assert_eq!(passed + count(&found, 429), 400);
    assert!(passed >= 100 && passed as f64 <= 100.0 + refilled, "{passed} passed, {refilled} refilled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_looser_limit_counts_at_once() {
    let backends = Backends::start().await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let strict = backends.api(&["--rate-limit-search=1/hour"]).await;
    assert_eq!([statuses(&[&strict], 1).await, statuses(&[&strict], 1).await].concat(), [200, 429]);
    let loose = backends.api(&["--rate-limit-search=100/minute"]).await;
    assert_eq!(statuses(&[&loose], 1).await, [200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_when_to_come_back() {
    let backends = Backends::start().await;
    let api = backends.api(&["--rate-limit-search=2/minute", "--rate-limit-upload=1/hour"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let body = value!({"query": "losa"});
    let first = api.post("/search", &body).await;
    assert_eq!(
        (
            first.headers()["ratelimit-limit"].to_str().unwrap(),
            first.headers()["ratelimit-remaining"].to_str().unwrap()
        ),
        ("2", "1")
    );
    assert_eq!(first.headers()["ratelimit-policy"], "2;w=60");
    json(api.post("/search", &body).await, 200).await;
    let refusal = api.post("/search", &body).await;
    let retry: u32 = refusal.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&retry), "{retry}");
    assert_eq!(refusal.headers()["ratelimit-remaining"], "0");
    let refusal = json(refusal, 429).await;
    assert_eq!(refusal["error"], "Rate limit exceeded");
    assert!(refusal["detail"].as_str().unwrap().starts_with("Demasiadas solicitudes"), "{refusal}");
    let english =
        api.http.post(api.at("/search")).header("accept-language", "en").json(&body).send().await.unwrap();
    assert!(refused(english, 429).await.starts_with("Too many requests: the limit is 2 per minute"));

    // Each class of calls has its own limit, and both kinds of upload are one class. The refused body is
    // read, so that the client receives the response.
    json(api.upload("/upload", form("a.txt", "x")).await, 202).await;
    refused(api.upload("/upload-and-query", form("a.txt", vec![b'x'; 5_000_000])).await, 429).await;
    json(api.get("/documents").await, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_has_a_quota_of_its_own() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required", "--rate-limit-search=1/hour"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let common = worker.allow("a", Role::Read, Scope::All);
    worker.allow("b", Role::Read, Scope::All);
    for (key, limit) in [("three", "3/hour"), ("free", "off")] {
        let mut caller = common.clone();
        caller.id = format!("key:{key}");
        caller.limits = CallerLimits { search: Some(limit.into()), ..CallerLimits::default() };
        worker.callers.lock().unwrap().push((digest(key), caller));
    }
    let passed = async |key: &str| {
        let mut passed = 0;
        for _ in 0..5 {
            passed += usize::from(api.post_as(key, "/search", &value!({"query": "x"})).await.status() == 200);
        }
        passed
    };
    assert_eq!(
        [passed("a").await, passed("b").await, passed("three").await, passed("free").await],
        [1, 1, 3, 5]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_proxies_the_client_is_who_they_saw() {
    let backends = Backends::start().await;
    let api = backends.api(&["--rate-limit-search=1/hour", "--trusted-proxies=1"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let from = async |forwarded: &str| {
        let request = api
            .http
            .post(api.at("/search"))
            .header("x-forwarded-for", forwarded)
            .json(&value!({"query": "x"}));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(from("1.1.1.1").await, 200);
    assert_eq!(from("2.2.2.2").await, 200);
    // Addresses that the client itself put at the beginning of the header change nothing.
    assert_eq!(from("9.9.9.9, 1.1.1.1").await, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_limit_goes_on_locally() {
    let backends = Backends::with_own_redis().await;
    let api = backends.api(&["--rate-limit-search=20/minute"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let started = Instant::now();
    // The requests that Redis allowed also count locally, so an outage of Redis gives nobody a second quota.
    let mut found = statuses(&[&api], 10).await;
    assert_eq!(count(&found, 200), 10);
    backends.own_redis().redis().unwrap().stop().unwrap();
    found.extend(statuses(&[&api], 60).await);
    let passed = count(&found, 200);
    assert_eq!(passed + count(&found, 429), 70, "{found:?}");
    assert!(passed >= 20 && passed as f64 <= 20.0 + started.elapsed().as_secs_f64() / 3.0, "{passed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_throttle_bounds_an_address_before_anything_else() {
    let backends = Backends::start().await;
    let api = backends.api(&["--rate-limit-address=5/hour"]).await;
    let mut found = Vec::new();
    for _ in 0..8 {
        found.push(api.get("/health").await);
    }
    let refused_ones: Vec<_> = found.into_iter().filter(|response| response.status() == 429).collect();
    assert_eq!(refused_ones.len(), 3);
    for response in refused_ones {
        assert_eq!(response.headers()["ratelimit-policy"], "5;w=3600");
        refused(response, 429).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_has_few_calls_in_progress_and_a_stream_is_one_until_its_end() {
    let backends = Backends::start().await;
    let settings = ["--auth=required", "--max-caller-searches=1", "--max-caller-chats=1"];
    let api = backends.api(&settings).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.allow("one", Role::Read, Scope::All);
    worker.allow("other", Role::Read, Scope::All);
    *worker.search_time.lock().unwrap() = Duration::from_secs(4);
    let search = async |key: &str, query: &str| api.post_as(key, "/search", &value!({"query": query})).await;
    let meanwhile = async {
        until("the first search is in progress", || async { worker.searches() == 1 }).await;
        *worker.search_time.lock().unwrap() = Duration::ZERO;
        refused(search("one", "muro").await, 429).await;
        json(search("other", "viga").await, 200).await;
    };
    let (first, ()) = tokio::join!(search("one", "losa"), meanwhile);
    json(first, 200).await;
    json(search("one", "muro").await, 200).await;

    let chat = async || api.post_as("one", "/chat", &value!({"message": "¿Espesor?", "stream": true})).await;
    let streamed = chat().await;
    assert_eq!(streamed.status(), 200);
    refused(chat().await, 429).await;
    worker.chat.go_on.notify_one();
    assert!(streamed.text().await.unwrap().contains("done"));
    until("the stream has ended", || async { chat().await.status() == 200 }).await;
}
