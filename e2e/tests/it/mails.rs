//! What becomes of the attachments of a mail that is sent again.

use async_nats::HeaderMap;
use e2e::{Client, Upload, producer::send_file};
use reqwest::StatusCode;
use schemas::{headers, subjects};
use serde_json::{Value, json};

use crate::{
    producers::publish,
    sample, shared,
    turns::{ingest, until, waiting},
    unique,
};

const ATTACHED: &str = "programa-montaje-ascensores.csv";

/// The indexed documents of a project, each with its file's name and its id.
async fn indexed(client: &Client, project: &str) -> Vec<(String, String)> {
    let list = client.get(&format!("/documents?project_id={project}&state=indexed")).await.unwrap();
    let list: Value = list.json().await.unwrap();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = list["documents"].as_array().unwrap().iter();
    let mut all: Vec<_> = rows.map(|row| (text(row, "filename"), text(row, "document_id"))).collect();
    all.sort_unstable();
    all
}

/// Waits until these files of the project are indexed, and no others.
async fn only(client: &Client, project: &str, files: &[&str]) {
    until("the attachments are as expected", async || {
        indexed(client, project).await.iter().map(|(file, _)| file.as_str()).eq(files.iter().copied())
    })
    .await;
}

#[tokio::test]
async fn an_attachment_that_was_deleted_comes_back_only_if_its_mail_is_sent_anew() {
    let (client, system) = shared().await;
    let (project, (context, stream)) = (unique("correo"), ingest(system).await);
    let mail = Upload::new("oferta.eml", sample("oferta-ascensores.eml"), json!({"project_id": project}));
    let id = client.index(mail.clone()).await.unwrap();
    only(&client, &project, &["oferta.eml", ATTACHED]).await;
    let attached = indexed(&client, &project).await.remove(1).1;
    let deleted = client.delete(&format!("/documents/{attached}?project_id={project}")).await.unwrap();
    assert_eq!(deleted.status(), StatusCode::OK);

    // The mail's first job is queued again, as from a dead letter.
    let pool = sqlx::PgPool::connect(system.stack.database_url()).await.unwrap();
    let (job, accepted_at): (Value, String) = sqlx::query_as(
        "SELECT job, to_json(accepted_at AT TIME ZONE 'UTC') #>> '{}' || 'Z' FROM document WHERE id = $1",
    )
    .bind(&id)
    .fetch_one(&pool)
    .await
    .unwrap();
    let mut map = HeaderMap::new();
    map.insert(headers::ACCEPTED, accepted_at.as_str());
    let subject = subjects::upload(&project.parse().unwrap(), &id.parse().unwrap());
    context.publish_with_headers(subject, map, job.to_string().into()).await.unwrap().await.unwrap();
    until("it is done", async || waiting(&stream, &project).await == 0).await;
    only(&client, &project, &["oferta.eml"]).await;

    client.index(mail).await.unwrap();
    only(&client, &project, &["oferta.eml", ATTACHED]).await;
}

#[tokio::test]
async fn a_mail_sent_again_takes_its_former_attachments_away() {
    let (client, system) = shared().await;
    let (project, (context, _)) = (unique("correo"), ingest(system).await);
    let mail = String::from_utf8(sample("oferta-ascensores.eml")).unwrap();
    for attached in [ATTACHED, "programa-corregido.csv"] {
        let mail = mail.replace(ATTACHED, attached);
        let file = send_file(&context, &project.parse().unwrap(), mail.as_bytes()).await.unwrap();
        publish(&context, &project, "oferta", &json!({"file": file, "filename": "oferta.eml"})).await;
        only(&client, &project, &["oferta.eml", attached]).await;
    }
}

#[tokio::test]
async fn a_mail_that_becomes_something_else_keeps_no_attachments() {
    let (client, system) = shared().await;
    let (project, (context, _)) = (unique("correo"), ingest(system).await);
    let send = async |name: &str, content: &[u8], state: &str| {
        let file = send_file(&context, &project.parse().unwrap(), content).await.unwrap();
        publish(&context, &project, "oferta", &json!({"file": file, "filename": name})).await;
        assert_eq!(client.settled("oferta", &project).await.unwrap()["state"], state);
    };
    let is_there = async || indexed(&client, &project).await.iter().any(|(filename, _)| filename == ATTACHED);
    let record = |id: &str| json!({"DocumentId": id, "full_text": "El muro mide 20 cm."}).to_string();
    let records = ["r1", "r2"].map(record).join("\n");
    for (name, content, state) in [
        ("oferta.txt", "La oferta se retira.", "indexed"),
        ("oferta.ndjson", records.as_str(), "indexed"),
        ("oferta.pdf", "%PDF-1.7 and nothing more", "failed"),
    ] {
        send("oferta.eml", &sample("oferta-ascensores.eml"), "indexed").await;
        until("the attachment is indexed", async || is_there().await).await;
        send(name, content.as_bytes(), state).await;
        until("the attachment is deleted", async || !is_there().await).await;
    }
}
