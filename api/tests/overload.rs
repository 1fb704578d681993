//! More calls than the workers can answer: some are refused at once, the others and everything else are served.

use std::time::{Duration, Instant};

use schemas::{Lane, search::SearchReply, subjects};
use serde_json::json as value;

use crate::{
    harness::{Backends, Worker, json, refused, until},
    search::row,
};

/// The worker of these tests answers 8 searches at the same time.
const SEARCH: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn of_a_flood_some_searches_are_answered_and_the_rest_is_refused_at_once() {
    let backends = Backends::start().await;
    let api = backends.api(&["--search-timeout=120"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.replies.lock().unwrap().push_back(Ok(SearchReply { rows: vec![row("p", "1")], degraded: vec![] }));
    let cached = value!({"query": "losa", "project_id": "p"});
    json(api.post("/search", &cached).await, 200).await;
    *worker.search_time.lock().unwrap() = SEARCH;

    let started = Instant::now();
    let flood = (0..200).map(|number| {
        let api = &api;
        async move {
            let response = api.post("/search", &value!({"query": format!("flood {number}")})).await;
            (response, started.elapsed())
        }
    });
    let meanwhile = async {
        until("the worker is busy", || async { worker.searches() > 8 }).await;
        // A search that the cache can answer, a chat and a list need nothing that the searches wait for.
        let hit = api.post("/search", &cached).await;
        assert_eq!(hit.headers()["x-cache"], "hit");
        json(hit, 200).await;
        json(api.post("/chat", &value!({"message": "¿Espesor?"})).await, 200).await;
        json(api.get("/documents").await, 200).await;
        started.elapsed()
    };
    let (answers, others_served) = tokio::join!(futures::future::join_all(flood), meanwhile);

    let (mut accepted, mut refusals) = (Vec::new(), Vec::new());
    for (response, took) in answers {
        if response.status() == 200 {
            accepted.push(took);
        } else {
            assert_eq!(response.headers()["retry-after"], "1");
            refused(response, 503).await;
            refusals.push(took);
        }
    }
    accepted.sort();
    refusals.sort();
    assert!(accepted.len() >= 8 && refusals.len() >= 100, "{} and {}", accepted.len(), refusals.len());
    // Whoever is refused does not wait for those that are answered.
    let (last, typical) = (accepted[accepted.len() - 1], refusals[refusals.len() / 2]);
    assert!(typical < last / 2, "{typical:?} {last:?}");
    assert!(others_served < last, "{others_served:?} {last:?}");
    // Afterwards there is room again.
    json(api.post("/search", &value!({"query": "afterwards"})).await, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_flood_lasts_the_queue_becomes_short() {
    let backends = Backends::start().await;
    let api = backends.api(&["--search-timeout=120"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    *worker.search_time.lock().unwrap() = SEARCH / 5;
    let started = Instant::now();
    let lasts = || started.elapsed() < Duration::from_secs(8);
    let clients = (0..100).map(|client| {
        let api = &api;
        async move {
            let mut number = 0;
            while lasts() {
                number += 1;
                let body = value!({"query": format!("flood {client} {number}")});
                if api.post("/search", &body).await.status() != 200 {
                    tokio::time::sleep(SEARCH).await;
                }
            }
        }
    });
    let watch = async {
        let consumer = subjects::query_consumer(Lane::Search);
        let stream = backends.nats.jetstream.get_stream(subjects::QUERIES_STREAM).await.unwrap();
        let mut waiting = Vec::new();
        while lasts() {
            waiting.push(stream.consumer_info(&consumer).await.unwrap().num_pending);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        waiting
    };
    let (_, waiting) = tokio::join!(futures::future::join_all(clients), watch);
    // At first 32 searches are admitted, of which 8 are in progress. Later as many wait as are in progress, about.
    let (first, later) = waiting.split_at(waiting.len() / 2);
    let most = first.iter().copied().max().unwrap();
    let typical = later.iter().sum::<u64>() / later.len() as u64;
    assert!(most > 18 && typical < 16, "{waiting:?}");
}
