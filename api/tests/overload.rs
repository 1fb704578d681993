//! More calls than the workers can answer: some are refused at once, the others and everything else are served.

use std::time::{Duration, Instant};

use schemas::search::SearchReply;
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
async fn while_a_flood_lasts_the_admitted_searches_do_not_become_slower() {
    let backends = Backends::start().await;
    let api = backends.api(&["--search-timeout=120"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    *worker.search_time.lock().unwrap() = SEARCH / 5;
    let started = Instant::now();
    // Without adaptation, 64 searches wait for 8 slots: 0.8 s each, all the time.
    let clients = (0..100).map(|client| {
        let api = &api;
        async move {
            let (mut times, mut number) = (Vec::new(), 0);
            while started.elapsed() < Duration::from_secs(8) {
                number += 1;
                let asked = Instant::now();
                let body = value!({"query": format!("flood {client} {number}")});
                if api.post("/search", &body).await.status() == 200 {
                    times.push((started.elapsed(), asked.elapsed()));
                } else {
                    tokio::time::sleep(SEARCH / 5).await;
                }
            }
            times
        }
    });
    let answered = futures::future::join_all(clients).await.concat();
    let typical = |from: u64, to: u64| {
        let within = Duration::from_secs(from)..Duration::from_secs(to);
        let mut times: Vec<_> =
            answered.iter().filter(|(at, _)| within.contains(at)).map(|(_, took)| *took).collect();
        times.sort();
        times[times.len() / 2]
    };
    let (first, later) = (typical(0, 1), typical(4, 8));
    assert!(later < first * 3 / 4, "{first:?}, later {later:?}");
}
