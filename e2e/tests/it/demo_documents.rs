//! The sample documents, which a new user sees first.

use e2e::Upload;
use serde_json::{Value, json};

use crate::{sample, shared, unique};

fn read(name: &str) -> Value {
    let path = format!("{}/../samples/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Every sample is indexed, and every sample search finds the right document on the right page first.
#[tokio::test]
async fn every_sample_search_finds_its_page_first() {
    let (client, _) = shared().await;
    let project = unique("muestras");
    for entry in read("manifest.json").as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let mut metadata = entry["metadata"].clone();
        metadata["project_id"] = json!(project);
        client.index(Upload::new(file, sample(file), metadata)).await.unwrap();
    }
    let mut wrong = Vec::new();
    for search in read("questions.json")["searches"].as_array().unwrap() {
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
