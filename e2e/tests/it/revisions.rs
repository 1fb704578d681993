//! Revisions of a document: searches find only the current one.

use e2e::Upload;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{sample, shared, unique};

fn revision(project: &str, code: &str, text: &str) -> Upload {
    let metadata =
        json!({"project_id": project, "number": "100-PL-ES-0007", "revision": code, "title": "Escalera"});
    Upload::new(&format!("escalera-{code}.txt"), text, metadata)
}

async fn answers(client: &e2e::Client, project: &str) -> Vec<String> {
    let rows = client.search(project, "ancho de la escalera").await.unwrap();
    rows.iter().map(|row| row["revision"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_new_revision_takes_the_place_of_the_old_one() {
    let (client, _) = shared().await;
    let project = unique("revision");
    let old = client.index(revision(&project, "A", "El ancho de la escalera es de 1,20 m.")).await.unwrap();
    assert_eq!(answers(&client, &project).await, ["A"]);
    let new = client.index(revision(&project, "B", "El ancho de la escalera es de 1,40 m.")).await.unwrap();
    assert_eq!(answers(&client, &project).await, ["B"]);
    let document = client.document(&old, &project).await.unwrap();
    assert_eq!((&document["state"], &document["superseded_by"]), (&json!("superseded"), &json!(new)));
    // The file of the superseded revision can still be downloaded.
    let file = client.get(&format!("/document/{old}/file")).await.unwrap();
    assert_eq!(file.text().await.unwrap(), "El ancho de la escalera es de 1,20 m.");

    // When the current revision is deleted, the one before it is found again.
    let answer = client.delete(&format!("/documents/{new}?project_id={project}")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while client.document(&old, &project).await.unwrap()["state"] != "indexed" {
        assert!(std::time::Instant::now() < deadline, "the earlier revision does not come back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(answers(&client, &project).await, ["A"]);
}

#[tokio::test]
async fn an_old_revision_that_comes_late_does_not_answer() {
    let (client, _) = shared().await;
    let project = unique("tarde");
    client.index(revision(&project, "1", "El ancho de la escalera es de 1,40 m.")).await.unwrap();
    let late = client.upload(revision(&project, "C", "El ancho de la escalera es de 1,20 m.")).await.unwrap();
    assert_eq!(client.settled(&late, &project).await.unwrap()["state"], "superseded");
    assert_eq!(answers(&client, &project).await, ["1"]);
}

#[tokio::test]
async fn two_revisions_in_one_import() {
    let (client, _) = shared().await;
    let project = unique("planos");
    let upload = Upload::new("planos.ndjson", sample("planos-aconex.ndjson"), json!({"project_id": project}));
    let import = client.index(upload).await.unwrap();
    let document = client.document(&import, &project).await.unwrap();
    assert_eq!(document["records"], json!({"total": 10, "indexed": 10, "failed": 0}), "{document}");

    let rows = client.search(&project, "200076-CCC02-PL-AR-000400").await.unwrap();
    let first: Vec<&Value> = rows.iter().filter(|row| row["number"] == "200076-CCC02-PL-AR-000400").collect();
    assert_eq!(first.len(), 1, "{rows:?}");
    assert_eq!(first[0]["revision"], "B");
    assert_eq!(rows[0]["number"], "200076-CCC02-PL-AR-000400");
    // Parts of the document number, written as people type them.
    for query in ["AR-000400", "ar 000400", "200076 ccc02 pl ar 000400"] {
        let rows = client.search(&project, query).await.unwrap();
        assert_eq!(rows[0]["number"], "200076-CCC02-PL-AR-000400", "{query}");
    }
    let old = client.get(&format!("/documents?project_id={project}&state=superseded")).await.unwrap();
    let old = old.json::<Value>().await.unwrap();
    let revisions: Vec<_> =
        old["documents"].as_array().unwrap().iter().map(|row| row["revision"].as_str().unwrap()).collect();
    assert_eq!(revisions, ["A"]);
}
