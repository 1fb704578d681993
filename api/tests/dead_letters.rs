//! Dead letters: only for administrators, and only those of the key's projects.

use chrono::DateTime;
use schemas::{
    Message,
    account::Role,
    dead_letter::{Cause, DeadLetter, Facts},
    problem::Reason,
};

use crate::harness::{Backends, Worker, json, projects, refused};

pub fn letter(id: u64, project: &str) -> DeadLetter {
    DeadLetter {
        facts: Facts {
            id,
            died_at: DateTime::UNIX_EPOCH,
            attempts: 5,
            cause: Cause::System,
            project_id: Some(project.parse().unwrap()),
            document_id: Some("d".parse().unwrap()),
            subject: format!("acorag.v1.ingest.document.{project}.d"),
        },
        reason: Reason {
            code: "internal".into(),
            message: Message { es: "Error interno.".into(), en: "Internal error.".into() },
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_lists_requeues_and_discards_dead_letters() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.allow("admin", Role::Admin, projects(&["a"]));
    worker.allow("writer", Role::Write, projects(&["a"]));
    *worker.letters.lock().unwrap() = vec![letter(1, "a"), letter(2, "b"), letter(3, "a"), letter(4, "a")];
    let post =
        async |key: &str, path: &str| api.http.post(api.at(path)).bearer_auth(key).send().await.unwrap();
    let delete =
        async |key: &str, path: &str| api.http.delete(api.at(path)).bearer_auth(key).send().await.unwrap();

    let list = json(api.get_as("admin", "/dead-letters").await, 200).await;
    let ids: Vec<u64> = list["dead_letters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|letter| letter["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [1, 3, 4]);
    let first = &list["dead_letters"][0];
    assert_eq!((&first["reason"], &first["reason_code"]), (&"Error interno.".into(), &"internal".into()));
    assert_eq!((&first["cause"], &first["attempts"]), (&"system".into(), &5.into()));
    let english = api.http.get(api.at("/dead-letters")).bearer_auth("admin").header("accept-language", "en");
    let english = json(english.send().await.unwrap(), 200).await;
    assert_eq!(english["dead_letters"][0]["reason"], "Internal error.");
    let others = json(api.get_as("admin", "/dead-letters?project_id=b").await, 200).await;
    assert_eq!(others["dead_letters"], serde_json::json!([]));

    assert_eq!(json(post("admin", "/dead-letters/1/requeue").await, 200).await["status"], "requeued");
    assert_eq!(json(delete("admin", "/dead-letters/3").await, 200).await["status"], "discarded");
    assert_eq!(json(post("admin", "/dead-letters/requeue").await, 200).await["requeued"], 1);
    refused(post("admin", "/dead-letters/2/requeue").await, 404).await;
    refused(delete("admin", "/dead-letters/2").await, 404).await;
    let left: Vec<u64> = worker.letters.lock().unwrap().iter().map(|letter| letter.facts.id).collect();
    assert_eq!(left, [2]);

    assert!(refused(api.get_as("admin", "/dead-letters?limit=201").await, 400).await.starts_with("limit: "));
    assert!(refused(delete("admin", "/dead-letters/x").await, 400).await.starts_with("id: "));
    for denied in [
        api.get_as("writer", "/dead-letters").await,
        post("writer", "/dead-letters/requeue").await,
        post("writer", "/dead-letters/2/requeue").await,
        delete("writer", "/dead-letters/2").await,
    ] {
        assert!(refused(denied, 403).await.contains("admin"));
    }
}
