//! A caller has one limit for all replicas of the api together; and the system works without Redis.

use std::time::{Duration, Instant};

use e2e::{Client, Options, System, Upload};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Sends `count` searches, distributed over both apis and evenly over `time`. Returns their statuses, and one
/// refusal.
async fn burst(clients: &[Client], count: u32, time: Duration) -> (Vec<StatusCode>, Option<(Value, bool)>) {
    let tasks = (0..count).map(|number| {
        let client = clients[number as usize % clients.len()].clone();
        tokio::spawn(async move {
            tokio::time::sleep(time * number / count).await;
            // Each search is different, so that the cache answers none of them.
            let body = json!({"query": format!("grúa {number}"), "project_id": "limite", "mode": "keyword"});
            let answer = client.post("/search", &body).await.unwrap();
            let (status, again) = (answer.status(), answer.headers().contains_key("retry-after"));
            (status, answer.json::<Value>().await.unwrap(), again)
        })
    });
    let (mut statuses, mut refusal) = (Vec::new(), None);
    for task in futures::future::join_all(tasks).await {
        let (status, body, again) = task.unwrap();
        statuses.push(status);
        if status == StatusCode::TOO_MANY_REQUESTS {
            refusal = Some((body, again));
        }
    }
    (statuses, refusal)
}

#[tokio::test]
async fn two_apis_keep_one_limit_and_redis_may_die() {
    let options = Options { apis: 2, ..Options::default() };
    let system = System::start(options.env("RATE_LIMIT_SEARCH", "100/minute")).await.unwrap();
    let clients = [0, 1].map(|api| Client::new(&system.apis[api].url).unwrap());
    clients[0].index(Upload::new("g.txt", "La grúa torre.", json!({"project_id": "limite"}))).await.unwrap();

    let started = Instant::now();
    let (statuses, refusal) = burst(&clients, 400, Duration::from_secs(4)).await;
    let refilled = started.elapsed().as_secs_f64() * 100.0 / 60.0;
    let passed = statuses.iter().filter(|status| status.is_success()).count();
    let refused = statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(passed + refused, 400, "{statuses:?}");
    assert!(
        (100..=100 + refilled.ceil() as usize).contains(&passed),
        "{passed} passed, {refilled:.1} refilled"
    );
    let (body, again) = refusal.unwrap();
    assert!(again && body["error"] == "Rate limit exceeded", "{body}");
    assert!(body["detail"].as_str().unwrap().starts_with("Demasiadas solicitudes"), "{body}");

    // Without Redis, each api limits by itself, searches are answered, and there is no server error.
    system.stack.redis().unwrap().stop().unwrap();
    let (statuses, _) = burst(&clients, 150, Duration::from_secs(2)).await;
    assert!(statuses.iter().all(|status| !status.is_server_error()), "{statuses:?}");
    assert!(statuses.iter().any(StatusCode::is_success), "no search passes without Redis");
    let (statuses, _) = burst(&clients, 400, Duration::from_secs(2)).await;
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "no limit holds without Redis");
    let document = Upload::new("h.txt", "El montacargas.", json!({"project_id": "limite"}));
    clients[0].index(document).await.unwrap();
}
