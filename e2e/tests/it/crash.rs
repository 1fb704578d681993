//! An ingest worker is killed in the middle of an import, or stopped in the middle of a document: nothing is lost, and
//! nothing is indexed twice.

use std::time::{Duration, Instant};

use e2e::{Options, Random, System, Upload, prose};
use serde_json::{Value, json};

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
        loop {
            let document = client.document(&import, "caida").await.unwrap();
            assert_ne!(document["state"], "indexed", "the import ended before the worker could be killed");
            if document["records"]["indexed"].as_u64().unwrap_or(0) >= enough {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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
async fn a_worker_that_stops_gives_back_a_long_document() {
    let mut system = System::start(Options::default().env("EMBED_THREADS", "1")).await.unwrap();
    let client = system.client().unwrap();
    let mut random = Random::new(7);
    let paragraphs: Vec<String> = (0..200).map(|_| prose::paragraph(&mut random, 12)).collect();
    let upload = Upload::new("memoria.txt", paragraphs.join("\n\n"), json!({"project_id": "parada"}));
    let id = client.upload(upload).await.unwrap();
    while client.document(&id, "parada").await.unwrap()["percent"].as_u64().unwrap_or(0) <= 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = Instant::now();
    system.ingest_workers[0].stop().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    let pool = sqlx::PgPool::connect(system.stack.database_url()).await.unwrap();
    let left: (String, i16) = sqlx::query_as("SELECT state, starts FROM document WHERE id = $1")
        .bind(&id)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(left, ("processing".to_owned(), 0), "and its start does not count");
    system.ingest_workers[0].restart().await.unwrap();
    assert_eq!(client.settled(&id, "parada").await.unwrap()["state"], "indexed");
}
