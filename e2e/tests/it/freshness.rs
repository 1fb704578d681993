//! A cached answer is never older than the newest commit.

use e2e::Upload;
use serde_json::json;

use crate::{shared, unique};

/// Number of rounds. In each, a document is uploaded, and then a search that was cached before must find it.
/// load/freshness.py does a thousand rounds.
const ROUNDS: u32 = 40;

#[tokio::test]
async fn a_new_document_is_found_through_a_warm_cache() {
    let (client, _) = shared().await;
    let project = unique("fresco");
    let ask = json!({"query": "frase de control del lote", "project_id": project, "top_k": 50});
    for round in 0..ROUNDS {
        // The same search twice before the upload, so that without a new document the third would be a hit.
        client.search_with(ask.clone()).await.unwrap();
        client.search_with(ask.clone()).await.unwrap();
        let text = format!("Frase de control del lote número {round} de la obra.");
        client
            .index(Upload::new(&format!("lote-{round}.txt"), text, json!({"project_id": project})))
            .await
            .unwrap();
        let rows = client.search_with(ask.clone()).await.unwrap();
        let name = format!("lote-{round}.txt");
        assert!(
            rows.iter().any(|row| row["filename"] == name),
            "round {round}: {} rows, not the new one",
            rows.len()
        );
    }
}

/// The cache answers a repeated search, which does not reach a worker.
#[tokio::test]
async fn a_repeated_search_reaches_no_worker() {
    let (client, system) = shared().await;
    let project = unique("repite");
    client
        .index(Upload::new("a.txt", "Barrera de vapor en cámara fría.", json!({"project_id": project})))
        .await
        .unwrap();
    let body = json!({"query": "barrera de vapor", "project_id": project});
    let first = client.post("/search", &body).await.unwrap();
    assert_eq!(first.headers()["x-cache"], "miss");
    let first = first.text().await.unwrap();

    let request = client.http.post(format!("{}/search", client.url)).json(&body);
    let id = unique("acierto");
    let second = request.header("x-request-id", &id).send().await.unwrap();
    assert_eq!(second.headers()["x-cache"], "hit");
    assert_eq!(second.text().await.unwrap(), first);
    let log = std::fs::read_to_string(&system.query_workers[0].log).unwrap();
    assert!(!log.contains(&id), "the worker was asked");
}
