//! The sample documents, which a new user sees first.

use serde_json::json;

use crate::{shared, unique};

/// Every sample is indexed, and every sample search finds the right document on the right page first.
#[tokio::test]
async fn every_sample_search_finds_its_page_first() {
    let (client, _) = shared().await;
    let project = unique("muestras");
    for mut sample in devstack::samples().unwrap() {
        sample.metadata["project_id"] = json!(project);
        client.index(sample).await.unwrap();
    }
    let mut wrong = Vec::new();
    for search in devstack::questions().unwrap()["searches"].as_array().unwrap() {
        let rows = client.search(&project, search["query"].as_str().unwrap()).await.unwrap();
        let first = rows.first().cloned().unwrap_or_default();
        let expected = &search["expect"];
        let right = ["filename", "number", "page"]
            .iter()
            .all(|field| expected[field].is_null() || expected[field] == first[field]);
        if !right {
            wrong.push(format!("{}: expected {expected}, found {first}", search["query"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
