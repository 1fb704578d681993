//! An ingest worker is killed in the middle of an import, or stopped while it embeds: nothing is lost, and nothing is indexed
//! twice.

use std::time::{Duration, Instant};

use e2e::{Options, Random, System, Upload, prose};
use serde_json::{Value, json};

use crate::{
    producers::publish,
    turns::{ingest, until},
};

const RECORDS: usize = 200;

#[tokio::test]
async fn a_killed_worker_loses_and_doubles_nothing() {
    let mut system = System::start(Options::default()).await.unwrap();
    let client = system.client().unwrap();
    let records: Vec<String> = (0..RECORDS)
        .map(|number| {
            json!({
                "DocumentId": format!("plano-{number}"),
                "metadata": {"Title": format!("Plano {number}"), "DocumentNumber": format!("900-PL-{number:05}")},
                "full_text": format!("Detalle constructivo del sector {number}, armadura y encofrado del nivel."),
            })
            .to_string()
        })
        .collect();
    let upload = Upload::new("planos.ndjson", records.join("\n"), json!({"project_id": "caida"}));
    let import = client.upload(upload).await.unwrap();

    // The worker is killed twice: while records are being indexed, and again soon after its restart.
    for enough in [10, 60] {
        until("enough records are indexed", async || {
            let document = client.document(&import, "caida").await.unwrap();
            assert_ne!(document["state"], "indexed", "the import ended before the worker could be killed");
            document["records"]["indexed"].as_u64().unwrap_or(0) >= enough
        })
        .await;
        system.ingest_workers[0].kill().unwrap();
        system.ingest_workers[0].restart().await.unwrap();
    }
    let document = client.settled(&import, "caida").await.unwrap();
    assert_eq!(document["state"], "indexed", "{document}");
    assert_eq!(document["records"], json!({"total": RECORDS, "indexed": RECORDS, "failed": 0}));

    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/documents?project_id=caida&state=indexed&limit=200{cursor}");
        let page = client.get(&path).await.unwrap().json::<Value>().await.unwrap();
        for row in page["documents"].as_array().unwrap().iter().filter(|row| row["kind"] == "document") {
            assert_eq!(row["chunks"], 1, "{row}");
            ids.push(row["document_id"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), RECORDS);

    // Each record has exactly one passage, and the project's own count of passages is the same.
    let pool = sqlx::PgPool::connect(system.stack.database_url()).await.unwrap();
    let (chunks, documents, sum): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(DISTINCT document_key), (SELECT chunks FROM project WHERE id = 'caida')
         FROM chunk c JOIN project p ON p.key = c.project_key WHERE p.id = 'caida'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((chunks, documents, sum), (RECORDS as i64, RECORDS as i64, RECORDS as i64));
}

#[tokio::test]
async fn a_worker_that_stops_gives_back_at_once_what_it_embeds() {
    let options = Options::default().env("EMBED_THREADS", "1").env("EMBED_QUEUE", "1000");
    let mut system = System::start(options.env("INGEST_SLOTS", "17")).await.unwrap();
    let (client, (context, _)) = (system.client().unwrap(), ingest(&system).await);
    let mut random = Random::new(7);
    let documents: Vec<String> = (0..16).map(|number| format!("memoria-{number}")).collect();
    for document in &documents {
        let paragraphs: Vec<String> = (0..7).map(|_| prose::paragraph(&mut random, 12)).collect();
        publish(&context, "parada", document, &json!({"text": paragraphs.join("\n\n")})).await;
    }
    // Of each document, all passages wait. Finishing what has begun would mean to index all of them.
    let metrics = format!("{}/metrics", system.ingest_workers[0].url);
    until("the passages wait for the model", async || {
        let metrics = client.http.get(&metrics).send().await.unwrap().text().await.unwrap();
        let waiting = "acorag_embedding_waiting{lane=\"passage\"} ";
        let waiting = metrics.lines().find_map(|line| line.strip_prefix(waiting)).unwrap();
        waiting.parse::<f64>().unwrap() >= 150.0
    })
    .await;
    let asked = Instant::now();
    system.ingest_workers[0].stop().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let pool = sqlx::PgPool::connect(system.stack.database_url()).await.unwrap();
    let left: Vec<(String, i16)> =
        sqlx::query_as("SELECT DISTINCT state, starts FROM document").fetch_all(&pool).await.unwrap();
    assert_eq!(left, [("processing".to_owned(), 0)], "and their starts do not count");
    system.ingest_workers[0].restart().await.unwrap();
    for document in &documents {
        assert_eq!(client.settled(document, "parada").await.unwrap()["state"], "indexed");
    }
}
