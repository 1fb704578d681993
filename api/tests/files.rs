//! `GET /document/{id}/file`.

use platform::nats::objects::Objects;
use schemas::{
    document::{FileLocation, State},
    subjects::FILES_BUCKET,
};

use crate::harness::{Backends, Worker, document, refused};

#[tokio::test(flavor = "multi_thread")]
async fn the_original_bytes_come_back_whole_and_in_part() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let content: Vec<u8> = (0..1_200_000_u32).map(|i| (i % 253) as u8).collect();
    let objects = Objects::open(&backends.nats, FILES_BUCKET).await.unwrap();
    let bytes = futures::stream::iter([Ok(bytes::Bytes::from(content.clone()))]);
    let stored = objects.put("object-1", bytes).await.unwrap();
    let mut known = document("p", "1", State::Indexed);
    known.sha256.clone_from(&stored.sha256);
    worker.documents.lock().unwrap().push(known);
    worker.files.lock().unwrap().push(FileLocation {
        project_id: "p".parse().unwrap(),
        object: stored.name,
        filename: "Acta día \"3\".pdf".into(),
        media_type: "application/pdf".into(),
        size: stored.size,
        sha256: stored.sha256.clone(),
    });

    let response = api.get("/document/1/file").await;
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", stored.sha256));
    assert_eq!(response.headers()["content-type"], "application/pdf");
    assert_eq!(
        response.headers()["content-disposition"],
        "inline; filename*=UTF-8''Acta%20d%C3%ADa%20%223%22.pdf"
    );
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(response.bytes().await.unwrap() == content);

    let asked = async |name: &str, value: &str| {
        api.http.get(api.at("/document/1/file")).header(name, value).send().await.unwrap()
    };
    let part = asked("range", "bytes=600000-600009").await;
    assert_eq!(
        (part.status().as_u16(), part.headers()["content-range"].to_str().unwrap()),
        (206, "bytes 600000-600009/1200000")
    );
    assert!(part.bytes().await.unwrap() == content[600_000..600_010]);
    let end = asked("range", "bytes=-5").await;
    assert!(end.bytes().await.unwrap() == content[1_199_995..]);
    let beyond = asked("range", "bytes=1200000-").await;
    assert_eq!(beyond.headers()["content-range"], "bytes */1200000");
    refused(beyond, 416).await;
    let fresh = asked("if-none-match", &etag).await;
    assert_eq!((fresh.status().as_u16(), fresh.bytes().await.unwrap().len()), (304, 0));

    let head = api.http.head(api.at("/document/1/file")).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "1200000");
    refused(api.get("/document/2/file").await, 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_page_is_caged() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let objects = Objects::open(&backends.nats, FILES_BUCKET).await.unwrap();
    let bytes = futures::stream::iter([Ok(bytes::Bytes::from_static(b"<script>alert(1)</script>"))]);
    let stored = objects.put("object-2", bytes).await.unwrap();
    let mut known = document("p", "1", State::Indexed);
    known.sha256.clone_from(&stored.sha256);
    worker.documents.lock().unwrap().push(known);
    worker.files.lock().unwrap().push(FileLocation {
        project_id: "p".parse().unwrap(),
        object: stored.name,
        filename: "a.html".into(),
        media_type: "text/html".into(),
        size: stored.size,
        sha256: stored.sha256,
    });
    let response = api.get("/document/1/file").await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox;"), "{policy}");
}
