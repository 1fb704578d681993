use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::*;

/// A server that answers the first search with this status and the others with rows.
async fn server(first: StatusCode) -> (Client, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let search = move |Shared(calls): Shared<Arc<AtomicUsize>>,
                       headers: HeaderMap,
                       Json(body): Json<Value>| async move {
        assert_eq!(headers["authorization"], "Bearer k");
        assert_eq!(body, json!({"query": "q", "project_id": "p", "top_k": 50, "mode": "hybrid"}));
        if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            return (first, [("retry-after", "0")], "refused").into_response();
        }
        Json(json!([{"document_id": "b", "score": 1}, {"document_id": "a"}])).into_response()
    };
    let state =
        || async { Json(json!({"state": "processing", "percent": 40, "reason": null, "kind": "import"})) };
    let accepted = |_: axum::body::Bytes| async {
        let data = json!({"document_id": "y", "status_url": "/documents/x"});
        (StatusCode::ACCEPTED, Json(json!({"data": data})))
    };
    let router = Router::new()
        .route("/search", post(search))
        .route("/upload", post(accepted))
        .route("/documents/x", get(state))
        .with_state(calls.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Client::new(&url, Some("k")).unwrap(), calls)
}

#[tokio::test]
async fn a_temporarily_refused_call_is_repeated() {
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
        let (client, calls) = server(status).await;
        let found = client.search("p", "q", "hybrid").await.unwrap();
        assert_eq!((found.documents, found.degraded), (vec!["b".to_owned(), "a".to_owned()], false));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_failed_call_is_an_error_with_its_answer() {
    let (client, calls) = server(StatusCode::BAD_REQUEST).await;
    let error = client.search("p", "q", "hybrid").await.err().unwrap().to_string();
    assert!(error.contains("400") && error.contains("refused"), "{error}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_state_is_read_from_the_url_in_the_upload_answer() {
    let (client, _) = server(StatusCode::OK).await;
    let import = client.upload("p", "corpus.ndjson", b"{}").await.unwrap();
    let state = client.state(&import).await.unwrap();
    assert_eq!((&state["state"], &state["percent"]), (&json!("processing"), &json!(40)));
}
