//! What a system holds before it is destroyed: filled, changed, and read for comparison.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use async_nats::jetstream;
use devstack::Stack;
use e2e::{Client, System, Upload};
use futures::StreamExt as _;
use reqwest::StatusCode;
use schemas::subjects::{self, JobKind};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgPool};

use super::PROJECT;

pub type Tables = BTreeMap<String, (i64, String)>;

/// Returns for every table the number of its rows and a hash of their content.
pub async fn tables(url: &str) -> Tables {
    let pool = PgPool::connect(url).await.unwrap();
    let names: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            .fetch_all(&pool)
            .await
            .unwrap();
    let mut tables = Tables::new();
    for name in names {
        let sql = format!(
            "SELECT count(*), coalesce(md5(string_agg(t::text, E'\\n' ORDER BY t::text)), '') FROM \"{name}\" t"
        );
        tables.insert(name, sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap());
    }
    pool.close().await;
    tables
}

/// Downloads the file of each document from the api; returns its SHA-256 by the id of the document.
pub async fn files(client: &Client, url: &str) -> BTreeMap<String, String> {
    let pool = PgPool::connect(url).await.unwrap();
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM document WHERE object <> '' AND state <> 'deleted'")
            .fetch_all(&pool)
            .await
            .unwrap();
    pool.close().await;
    let mut files = BTreeMap::new();
    for id in ids {
        let answer = client.get(&format!("/document/{id}/file")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "the file of {id}");
        let hash = Sha256::digest(answer.bytes().await.unwrap());
        files.insert(id, hash.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    files
}

pub async fn messages(nats_url: &str, stream: &str) -> u64 {
    let nats = jetstream::new(async_nats::connect(nats_url).await.unwrap());
    nats.get_stream(stream).await.unwrap().cached_info().state.messages
}

/// Returns the number of files in the object store.
pub async fn objects(stack: &Stack) -> usize {
    let nats = jetstream::new(async_nats::connect(stack.nats_url()).await.unwrap());
    let store = nats.get_object_store(subjects::FILES_BUCKET).await.unwrap();
    store.list().await.unwrap().count().await
}

pub fn note(name: &str) -> Upload {
    let text = format!("La nota {name} fija la cota de coronación del muro perimetral.");
    Upload::new(&format!("{name}.txt"), text, json!({"project_id": PROJECT, "title": name}))
}

pub async fn ask(client: &Client, question: &str) {
    let body =
        json!({"message": question, "conversation_id": "conv_7", "user_id": "ana", "project_id": PROJECT});
    let answer = client.post("/chat", &body).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Fills the system: samples of every format, a deletion, a key, a conversation, feedback, and a job that
/// must fail.
pub async fn fill(system: &System, client: &Client) {
    let uploads = devstack::samples().unwrap().into_iter().map(|sample| async move {
        let id = client.upload(sample).await.unwrap();
        let document = client.settled(&id, PROJECT).await.unwrap();
        assert_eq!(document["state"], "indexed", "{document}");
    });
    futures::future::join_all(uploads).await;
    let unwanted = client.index(note("descartada")).await.unwrap();
    delete(client, &unwanted).await;
    ask(client, "¿Qué espesor tiene la losa del primer piso?").await;
    let feedback = json!({"session_id": "conv_7", "rating": 5, "comment": "Clara."});
    assert!(client.post("/feedback", &feedback).await.unwrap().status().is_success());
    let account = json!({"email": "ana@obra.cl", "password": "una clave larga", "full_name": "Ana Rojas"});
    assert_eq!(client.post("/auth/register", &account).await.unwrap().status(), StatusCode::CREATED);
    let key = ["keys", "create", "--name", "erp", "--role", "write", "--project", PROJECT];
    system.command("acorag-query-worker", &key).unwrap();
    let nats = jetstream::new(async_nats::connect(system.stack.nats_url()).await.unwrap());
    let subject = subjects::job(JobKind::Document, &PROJECT.parse().unwrap(), &"roto".parse().unwrap());
    let job = json!({"text": "Contrabando.", "metadata": {"project_id": "otro"}}).to_string();
    nats.publish(subject, job.into()).await.unwrap().await.unwrap();
    assert_eq!(client.settled("roto", PROJECT).await.unwrap()["state"], "failed");
    let deadline = Instant::now() + Duration::from_secs(120);
    while messages(system.stack.nats_url(), subjects::DEAD_LETTERS_STREAM).await != 1 {
        assert!(Instant::now() < deadline, "no dead letter");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn delete(client: &Client, id: &str) {
    let path = format!("/documents/{id}?project_id={PROJECT}");
    assert_eq!(client.delete(&path).await.unwrap().status(), StatusCode::OK);
    let deadline = Instant::now() + Duration::from_secs(120);
    while client.get(&path).await.unwrap().status() != StatusCode::NOT_FOUND {
        assert!(Instant::now() < deadline, "{id} is not deleted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the database no longer changes. Returns the time, and the content of the database at that
/// time.
pub async fn quiet_moment(url: &str) -> (String, Tables) {
    let pool = PgPool::connect(url).await.unwrap();
    let mut before = tables(url).await;
    loop {
        let moment = sqlx::query_scalar(
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let after = tables(url).await;
        if after == before {
            return (moment, after);
        }
        before = after;
    }
}

/// Archives the last, incomplete segment of the log, as `archive_timeout` makes a server in use do.
pub async fn archive_the_rest(url: &str) {
    let pool = PgPool::connect(url).await.unwrap();
    let last: String =
        sqlx::query_scalar("SELECT pg_walfile_name(pg_switch_wal())").fetch_one(&pool).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let archived: Option<String> = sqlx::query_scalar("SELECT last_archived_wal FROM pg_stat_archiver")
            .fetch_one(&pool)
            .await
            .unwrap();
        if archived.is_some_and(|archived| archived >= last) {
            return;
        }
        assert!(Instant::now() < deadline, "{last} is not archived");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
