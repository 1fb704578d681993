//! All services log the same request id and have the metrics that acorag promises, and the api needs little
//! memory.

use e2e::Upload;
use serde_json::{Value, json};

use crate::{shared, unique};

fn lines_with(log: &std::path::Path, request_id: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["request_id"] == request_id)
        .collect()
}

#[tokio::test]
async fn one_request_id_leads_through_all_three_services() {
    let (client, system) = shared().await;
    let project = unique("rastro");
    let upload_id = unique("subida");
    let form =
        reqwest::multipart::Form::new().text("metadata", json!({"project_id": project}).to_string()).part(
            "file",
            reqwest::multipart::Part::bytes(b"La junta de dilatacion es de 25 mm.".to_vec())
                .file_name("junta.txt"),
        );
    let request =
        client.http.post(format!("{}/upload?wait=60", client.url)).header("x-request-id", &upload_id);
    let answer = request.multipart(form).send().await.unwrap();
    assert!(answer.status().is_success());
    assert_eq!(answer.headers()["x-request-id"], upload_id.as_str());

    let search_id = unique("busqueda");
    let request = client.http.post(format!("{}/search", client.url)).header("x-request-id", &search_id);
    let query = "junta de dilatacion, una consulta bastante mas larga que cincuenta letras";
    let body = json!({"query": query, "project_id": project});
    assert!(request.json(&body).send().await.unwrap().status().is_success());

    let api = &system.apis[0].log;
    assert!(!lines_with(api, &upload_id).is_empty() && !lines_with(api, &search_id).is_empty());
    assert!(!lines_with(&system.ingest_workers[0].log, &upload_id).is_empty());
    let lines = lines_with(&system.query_workers[0].log, &search_id);
    let line = lines.iter().find(|line| line["message"] == "search").expect("the worker logs the search");
    assert_eq!(line["query"], query.chars().take(50).collect::<String>());
    for field in ["timestamp", "level", "target", "module", "line", "duration_ms", "results_count"] {
        assert!(!line[field].is_null(), "{field}: {line}");
    }
}

#[tokio::test]
async fn the_contracts_metrics_are_there() {
    let (client, system) = shared().await;
    let project = unique("metricas");
    client.index(Upload::new("m.txt", "Medición de avance.", json!({"project_id": project}))).await.unwrap();
    client.search(&project, "avance").await.unwrap();
    let metrics = client.get("/metrics").await.unwrap().text().await.unwrap();
    for name in ["search_requests_total", "search_duration_seconds_bucket", "active_users"] {
        assert!(metrics.contains(name), "{name} is missing");
    }
    for (port, name) in [
        (system.ingest_workers[0].port, "acorag_ingest_stage_seconds_bucket"),
        (system.query_workers[0].port, "acorag_search_stage_seconds_bucket"),
    ] {
        let metrics = client.http.get(format!("http://127.0.0.1:{port}/metrics")).send().await.unwrap();
        assert!(metrics.text().await.unwrap().contains(name), "{name} is missing");
    }
}

/// A metric shows which locks of the reader the kernel supports, so that a missing lock is noticed.
#[tokio::test]
async fn which_locks_hold_the_reader_is_a_metric() {
    let (client, system) = shared().await;
    let output =
        std::process::Command::new(e2e::binary("acorag-reader").unwrap()).arg("--check").output().unwrap();
    let locks: Value = serde_json::from_slice(&output.stdout).unwrap();
    let port = system.ingest_workers[0].port;
    let metrics = client.http.get(format!("http://127.0.0.1:{port}/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for by in ["seccomp", "landlock"] {
        let holds = u8::from(locks[by].as_bool().unwrap());
        let line = format!("acorag_reader_confined{{by=\"{by}\"}} {holds}");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn ready_names_each_dependency_and_health_needs_none() {
    let (client, _) = shared().await;
    assert!(client.get("/health").await.unwrap().status().is_success());
    let ready = client.get("/ready").await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(ready["ready"], true, "{ready}");
    for name in ["nats", "jetstream", "redis", "query_worker"] {
        assert!(ready["checks"][name].is_string(), "{ready}");
    }
}

/// The api needs little memory, because it has no embedding model, no database connections and no whole
/// document in memory.
#[tokio::test]
async fn the_api_is_small() {
    let (_, system) = shared().await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", system.apis[0].id().unwrap())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = resident.trim().trim_end_matches(" kB").trim().parse().unwrap();
    // The promise is 40 MB for an idle release build. A debug build under test may use 100 MiB.
    assert!(kib < 100 * 1024, "{kib} KiB resident");
}
