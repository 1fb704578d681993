//! Servers are restarted: afterwards the services work again by themselves, and documents that were accepted
//! before and during the outage are found.

use std::time::{Duration, Instant};

use e2e::{Client, Options, System, Upload};
use serde_json::json;

const PROJECT: &str = "reinicios";

fn note(number: usize) -> Upload {
    let text = format!("La prueba de estanqueidad número {number} se repite el martes.");
    Upload::new(&format!("nota-{number}.txt"), text, json!({"project_id": PROJECT}))
}

/// Repeats a search until it finds this many documents: shortly after a restart, connections are still being
/// opened.
async fn answered(client: &Client, documents: usize, after: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match client.search(PROJECT, "prueba de estanqueidad").await {
            Ok(rows) if rows.len() == documents => return,
            last => assert!(Instant::now() < deadline, "{after}: {last:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_may_be_restarted() {
    let system = System::start(Options::default().durable()).await.unwrap();
    let client = system.client().unwrap();
    client.index(note(0)).await.unwrap();
    answered(&client, 1, "before anything").await;

    let stack = &system.stack;
    tokio::task::block_in_place(|| stack.redis().unwrap().stop()).unwrap();
    client.index(note(1)).await.unwrap();
    answered(&client, 2, "without Redis").await;
    tokio::task::block_in_place(|| stack.redis().unwrap().start()).unwrap();

    // A document that is accepted while the database is down is indexed when the database runs again.
    tokio::task::block_in_place(|| stack.postgres().unwrap().kill()).unwrap();
    client.upload(note(2)).await.unwrap();
    tokio::task::block_in_place(|| stack.postgres().unwrap().start()).unwrap();
    answered(&client, 3, "after PostgreSQL's restart").await;

    tokio::task::block_in_place(|| stack.nats().and_then(|nats| nats.kill().and_then(|()| nats.start())))
        .unwrap();
    answered(&client, 3, "after NATS' restart").await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = client.upload(note(3)).await {
        assert!(Instant::now() < deadline, "uploads after NATS' restart: {error:#}");
    }
    answered(&client, 4, "an upload after NATS' restart").await;
}
