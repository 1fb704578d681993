//! Dead letters over REST: an administrator can see and change only those of the key's projects.

use e2e::Client;
use reqwest::{Method, StatusCode};
use schemas::subjects::{self, JobKind};
use serde_json::{Value, json};

use crate::{guarded, unique};

async fn ask(client: &Client, method: Method, path: &str) -> (StatusCode, Value) {
    let answer = client.http.request(method, format!("{}{path}", client.url)).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// Returns the dead letters of all pages: dead letters of other tests' projects may leave pages shorter or
/// empty.
async fn list(client: &Client, query: &str) -> Vec<Value> {
    let (mut letters, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = ask(client, Method::GET, &format!("/dead-letters?limit=2{query}{cursor}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        letters.extend(page["dead_letters"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return letters,
        }
    }
}

#[tokio::test]
async fn an_administrator_reaches_the_dead_letters_of_the_keys_projects() {
    let system = guarded().await;
    let (ours, theirs) = (unique("letras"), unique("ajenas"));
    let (_, all) = system.client_with_key(&["--role", "admin", "--all-projects"]).unwrap();
    let (_, admin) = system.client_with_key(&["--role", "admin", "--project", &ours]).unwrap();
    let (_, writer) = system.client_with_key(&["--role", "write", "--project", &ours]).unwrap();
    let jetstream = async_nats::jetstream::new(async_nats::connect(system.stack.nats_url()).await.unwrap());
    let missing = json!({"file": {"id": "never-sent", "size": 1, "sha256": "ab".repeat(32)}});
    for (project, document) in [(&ours, "a"), (&theirs, "x"), (&ours, "b"), (&ours, "c")] {
        let subject = subjects::job(JobKind::Document, &project.parse().unwrap(), &document.parse().unwrap());
        jetstream.publish(subject, missing.to_string().into()).await.unwrap().await.unwrap();
    }
    while list(&all, &format!("&project_id={theirs}")).await.len() + list(&admin, "").await.len() < 4 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    let letters = list(&admin, "").await;
    let of = |document: &str| {
        let letter = letters.iter().find(|letter| letter["document_id"] == document);
        letter.unwrap_or_else(|| panic!("no letter of {document}: {letters:?}"))["id"].as_u64().unwrap()
    };
    assert_eq!(letters.len(), 3);
    let first = &letters[0];
    assert_eq!((&first["project_id"], &first["cause"]), (&json!(ours), &json!("message")), "{first}");
    assert_eq!((&first["reason_code"], &first["attempts"]), (&json!("file_missing"), &json!(1)), "{first}");
    assert!(first["reason"].as_str().unwrap().starts_with("El archivo no está"), "{first}");
    assert!(list(&admin, &format!("&project_id={theirs}")).await.is_empty());
    let foreign = list(&all, &format!("&project_id={theirs}")).await;
    let foreign = foreign[0]["id"].as_u64().unwrap();

    for (method, path) in [
        (Method::POST, format!("/dead-letters/{foreign}/requeue")),
        (Method::DELETE, format!("/dead-letters/{foreign}")),
        (Method::DELETE, "/dead-letters/99999999".to_owned()),
    ] {
        assert_eq!(ask(&admin, method.clone(), &path).await.0, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(ask(&writer, method, &path).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(ask(&writer, Method::GET, "/dead-letters").await.0, StatusCode::FORBIDDEN);

    let (status, discarded) = ask(&admin, Method::DELETE, &format!("/dead-letters/{}", of("a"))).await;
    assert_eq!((status, &discarded["status"]), (StatusCode::OK, &json!("discarded")));
    assert_eq!(admin.document("a", &ours).await.unwrap()["state"], "failed");
    // The cause remains, so each requeued job fails again and becomes a new dead letter.
    let (status, requeued) = ask(&admin, Method::POST, &format!("/dead-letters/{}/requeue", of("b"))).await;
    assert_eq!((status, &requeued["status"]), (StatusCode::OK, &json!("requeued")));
    let is_new = |letter: &Value, document: &str| {
        letter["document_id"] == document && letter["id"].as_u64().unwrap() > of("c")
    };
    while !list(&admin, "").await.iter().any(|letter| is_new(letter, "b")) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (_, requeued) = ask(&admin, Method::POST, "/dead-letters/requeue").await;
    assert_eq!(requeued["requeued"], 2, "{requeued}");
    while list(&admin, "").await.iter().filter(|letter| letter["id"].as_u64().unwrap() > of("c")).count() < 2
    {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let untouched = list(&all, &format!("&project_id={theirs}")).await;
    assert_eq!(untouched[0]["id"].as_u64(), Some(foreign));
}
