//! `GET /document/{id}/file`.

use platform::nats::objects::Objects;
use schemas::{
    Scope,
    account::Role,
    document::{FileLocation, State},
};

use crate::harness::{Backends, Worker, document, refused};

#[tokio::test(flavor = "multi_thread")]
async fn the_original_bytes_come_back_whole_and_in_part() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let content: Vec<u8> = (0..1_200_000_u32).map(|i| (i % 253) as u8).collect();
    keep(&backends, &worker, "1", "Acta día \"3\".pdf", "application/pdf", &content).await;
    let sha256 = worker.files.lock().unwrap()[0].sha256.clone();

    let response = api.get("/document/1/file").await;
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(etag, format!("\"{sha256}\""));
    assert_eq!(response.headers()["content-type"], "application/pdf");
    assert_eq!(
        response.headers()["content-disposition"],
        "inline; filename=\"Acta dia _3_.pdf\"; filename*=UTF-8''Acta%20d%C3%ADa%20%223%22.pdf"
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

    let head = api.http.head(api.at("/document/1/file")).header("range", "bytes=0-9").send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].as_bytes()), (200, &b"1200000"[..]));
    refused(api.get("/document/2/file").await, 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_no_worker_has_stored_yet_is_on_its_way() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    keep(&backends, &worker, "1", "a.txt", "text/plain", b"Acta").await;
    let objects = Objects::open(&backends.nats).await.unwrap();
    objects.delete("object-1").await.unwrap();
    let set = |state| worker.documents.lock().unwrap()[0].facts.state = state;
    for state in [State::Queued, State::Processing] {
        set(state);
        for (language, part) in [("es", "todavía se está recibiendo"), ("en", "is still being taken in")] {
            let asked = api.http.get(api.at("/document/1/file")).header("accept-language", language);
            let response = asked.send().await.unwrap();
            assert_eq!(response.headers()["retry-after"], "5");
            let detail = refused(response, 409).await;
            assert!(detail.contains(part), "{detail}");
        }
    }
    set(State::Indexed);
    refused(api.get("/document/1/file").await, 404).await;
    // The producer never sent it.
    set(State::Failed);
    worker.files.lock().unwrap()[0].object = "sent-1".to_owned();
    let detail = refused(api.get("/document/1/file").await, 404).await;
    assert!(detail.contains("no tiene archivo original"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_while_it_is_looked_up_is_not_lost() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    keep(&backends, &worker, "1", "a.txt", "text/plain", b"Acta").await;
    // It is located first among all projects, where the former file is found, and then in its own.
    let mut former = document("q", "1", State::Indexed);
    former.facts.sha256 = "00".to_owned();
    worker.documents.lock().unwrap().insert(0, former);
    let mut file = worker.files.lock().unwrap()[0].clone();
    (file.object, file.sha256) = ("object-0".to_owned(), "00".to_owned());
    worker.files.lock().unwrap().push(file);
    refused(api.get("/document/1/file").await, 409).await;
}

/// Stores a document of project `p` with this file.
async fn keep(backends: &Backends, worker: &Worker, id: &str, name: &str, media_type: &str, content: &[u8]) {
    let objects = Objects::open(&backends.nats).await.unwrap();
    let bytes = futures::stream::iter([Ok(bytes::Bytes::copy_from_slice(content))]);
    let stored = objects.put(&format!("object-{id}"), bytes).await.unwrap();
    let mut known = document("p", id, State::Indexed);
    known.facts.sha256.clone_from(&stored.sha256);
    worker.documents.lock().unwrap().push(known);
    worker.files.lock().unwrap().push(FileLocation {
        project_id: "p".parse().unwrap(),
        object: stored.name,
        filename: name.to_owned(),
        media_type: media_type.to_owned(),
        size: stored.size,
        sha256: stored.sha256,
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_says_its_charset() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let page = "<p>Año</p>".as_bytes();
    // The first 64 KiB of this text end in the middle of a character.
    let long = format!("x{}", "ñ".repeat(40_000));
    for (id, media_type, content, sent) in [
        ("1", "text/plain", "Año".as_bytes(), "text/plain; charset=utf-8"),
        ("2", "text/plain", b"A\xf1o 1".as_slice(), "text/plain; charset=windows-1252"),
        ("3", "text/plain", b"caf\xe9", "text/plain; charset=windows-1252"),
        ("4", "text/plain; charset=ISO-8859-15", b"A\xf1o 2", "text/plain; charset=iso-8859-15"),
        ("5", "text/html", page, "text/html; charset=utf-8"),
        ("6", "text/html", b"<meta charset=iso-8859-1>A\xf1o", "text/html"),
        ("7", "text/csv", b"\xff\xfeA\x00\xf1\x00", "text/csv"),
        ("8", "text/plain", long.as_bytes(), "text/plain; charset=utf-8"),
    ] {
        keep(&backends, &worker, id, "a.txt", media_type, content).await;
        let path = format!("/document/{id}/file");
        let response = api.get(&path).await;
        assert_eq!(response.headers()["content-type"], sent, "{id}");
        let etag = response.headers()["etag"].clone();
        assert!(response.bytes().await.unwrap() == content, "{id}");
        let part = api.http.get(api.at(&path)).header("range", "bytes=2-3").send().await.unwrap();
        assert_eq!(part.headers()["content-type"], sent, "a part of {id}");
        let fresh = api.http.get(api.at(&path)).header("if-none-match", etag).send().await.unwrap();
        assert_eq!((fresh.status().as_u16(), fresh.headers().get("content-type")), (304, None), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_page_is_shown_in_a_sandbox() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    keep(&backends, &worker, "1", "a.html", "text/html", b"<script>alert(1)</script>").await;
    let response = api.get("/document/1/file").await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox;"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_their_files_leave_room_for_others() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required", "--max-file-streams=2"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    for key in ["one", "other", "third"] {
        worker.allow(key, Role::Read, Scope::All);
    }
    keep(&backends, &worker, "1", "plano.pdf", "application/pdf", &vec![7; 24 << 20]).await;
    let file = |key: &'static str| api.get_as(key, "/document/1/file");
    let first = file("one").await;
    refused(file("one").await, 429).await;
    let _second = file("other").await;
    refused(file("third").await, 503).await;
    assert_eq!(first.bytes().await.unwrap().len(), 24 << 20);
    assert_eq!(file("one").await.status(), 200);
}
