//! `POST /search`.

use schemas::{
    Fields, ProblemKind, Scope, messages,
    search::{Filters, MatchQuality, SearchReply, SearchRow},
};
use serde_json::json as value;

use crate::harness::{Backends, Worker, json, refused};

pub fn row(project: &str, id: &str) -> SearchRow {
    SearchRow {
        document_id: id.parse().unwrap(),
        chunk_id: format!("{id}#1"),
        project_id: project.parse().unwrap(),
        fields: Fields { title: "Losa".into(), ..Fields::default() },
        filename: "a.pdf".into(),
        file_type: "pdf".into(),
        has_file: true,
        date_modified: None,
        page: Some(2),
        snippet: "hormigón".into(),
        vector_score: 0.5,
        text_score: 0.5,
        score: 0.5,
        match_quality: MatchQuality::Good,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_back_as_a_list() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker
        .replies
        .lock()
        .unwrap()
        .push_back(Ok(SearchReply { rows: vec![row("p", "1")], degraded: vec!["vector".into()] }));
    let old_shape = value!({"query": " hormigón ", "project_id": "p", "top_k": 5, "probes": 10});
    let response = api.post("/search", &old_shape).await;
    assert_eq!(response.headers()["x-acorag-degraded"], "vector");
    let rows = json(response, 200).await;
    assert_eq!((&rows[0]["document_id"], &rows[0]["match_quality"]), (&"1".into(), &"BUENO".into()));
    assert!(rows[0]["date_modified"].is_null());
    let seen = worker.seen.lock().unwrap()[0].clone();
    assert_eq!((seen.query.as_str(), seen.scope), ("hormigón", Scope::Projects(vec!["p".parse().unwrap()])));

    // A body in which all values are texts and most are blank, sent without a Content-Type.
    let loose = r#"{"query": "muro", "project_id": "", "top_k": "5", "strict_mode": "true", "mode": "",
                    "filters": {"doc_type": "", "revision": 0, "date_to": "2026-11-24"}}"#;
    json(api.http.post(api.at("/search")).body(loose).send().await.unwrap(), 200).await;
    let seen = worker.seen.lock().unwrap()[1].clone();
    assert_eq!((seen.scope, seen.top_k, seen.strict), (Scope::All, 5, true));
    let filters = Filters {
        fields: Fields { revision: "0".into(), ..Fields::default() },
        date_to: Some("2026-11-24T23:59:59.999999Z".parse().unwrap()),
        ..Filters::default()
    };
    assert_eq!(seen.filters, filters);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_search_is_refused_in_the_callers_language() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    for (body, start) in [
        (r#"{"query": ""}"#, "query: no puede estar vacío"),
        (r#"{"query": "a", "top_k": 51}"#, "top_k: debe estar entre 1 y 50."),
        (r#"{"query": "a", "mode": "magic"}"#, "mode: debe ser uno de: hybrid, vector, keyword."),
        (r#"{"top_k": 5}"#, "query: falta."),
        (r"{", "El cuerpo no es JSON válido"),
        ("{\"query\": \"\u{0}\"}", "El cuerpo no es JSON válido"),
    ] {
        let request = api.http.post(api.at("/search")).header("content-type", "application/json").body(body);
        let detail = refused(request.send().await.unwrap(), 400).await;
        assert!(detail.starts_with(start), "{body}: {detail}");
    }
    let english =
        api.http.post(api.at("/search")).header("accept-language", "en").json(&value!({"query": ""}));
    assert_eq!(refused(english.send().await.unwrap(), 400).await, "query: must not be empty.");
    for media_type in ["application/x-www-form-urlencoded", "text/plain"] {
        let wrong = api.http.post(api.at("/search")).header("content-type", media_type);
        refused(wrong.body(r#"{"query": "a"}"#).send().await.unwrap(), 415).await;
    }
    refused(api.post("/search", &value!({"query": "a", "x": "y".repeat(1_100_000)})).await, 413).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_worker_says_is_what_the_client_hears() {
    let backends = Backends::start().await;
    let api = backends.api(&["--search-timeout=1"]).await;
    let nobody = api.post("/search", &value!({"query": "a"})).await;
    assert!(refused(nobody, 504).await.contains("no llegó a tiempo"));

    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.replies.lock().unwrap().push_back(Err(schemas::Problem::overloaded()));
    let response = api.post("/search", &value!({"query": "b"})).await;
    assert_eq!(response.headers()["retry-after"], "1");
    refused(response, 503).await;
    *worker.replies.lock().unwrap() =
        [Err(messages::calls::timeout().problem(ProblemKind::Internal))].into_iter().collect();
    let said = refused(api.post("/search", &value!({"query": "c"})).await, 500).await;
    assert_eq!(said, messages::calls::timeout().es);
}
