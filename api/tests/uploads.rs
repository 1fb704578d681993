//! `POST /upload`.

use platform::nats::objects::{Error, Objects};
use reqwest::multipart::{Form, Part};
use schemas::{
    Message, Scope,
    account::Role,
    document::{Reason, State},
    event::EventKind,
    subjects::{FILES_BUCKET, FILES_STREAM, INGEST_STREAM},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Backends, Jobs, Worker, document, form, json, refused, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_upload_is_stored_and_queued() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let mut jobs = Jobs::watch(&backends.nats).await;
    // Larger than one part of the object store, so that it is stored in several.
    let content: Vec<u8> = (0..1_500_000_u32).map(|i| (i % 251) as u8).collect();
    let form = form("../Acta día 3.pdf", content.clone())
        .text("metadata", r#"{"project": "Torre Norte", "title": "Acta", "number": "A-1", "custom": 7}"#);
    let response = api
        .http
        .post(api.at("/upload"))
        .header("x-request-id", "req-1")
        .multipart(form)
        .send()
        .await
        .unwrap();
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let body = json(response, 202).await;
    assert_eq!((&body["status"], &body["data"]["filename"]), (&"accepted".into(), &"Acta día 3.pdf".into()));
    assert_eq!(body["data"]["project_id"], "Torre Norte");
    assert_eq!(body["data"]["status_url"], location.as_str());

    let job = jobs.next().await;
    assert_eq!(body["data"]["document_id"], job.document.as_str());
    assert_eq!(job.headers.get("X-Request-Id").unwrap().as_str(), "req-1");
    let ingest = job.ingest.as_ref().unwrap();
    assert_eq!(
        (ingest.metadata.fields.title.as_str(), &ingest.metadata.extra["custom"]),
        ("Acta", &7.into())
    );
    assert_eq!(ingest.media_type, "application/pdf");

    let objects = Objects::open(&backends.nats).await.unwrap();
    let object = objects.info(&job.object().name).await.unwrap();
    let mut stored = Vec::new();
    objects.read(&object, 0, u64::MAX).read_to_end(&mut stored).await.unwrap();
    assert!(stored == content, "the stored bytes are not the sent ones");
    assert_eq!(job.object().size, content.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_old_programs_are_read() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let mut jobs = Jobs::watch(&backends.nats).await;
    let mut body = Vec::new();
    for (head, content) in [
        ("name=\"miniatura\"; filename=\"a.bin\"", [&[0xff_u8, 0xfe][..], &[0; 100_000]].concat()),
        ("name=\"metadata\"", b"{\"title\": \"Informe t\xe9cnico\"}".to_vec()),
        ("name=\"file\"; filename=\"Informe técnico.txt\"", b"Losa.".to_vec()),
    ] {
        // Latin-1: each character is one byte.
        let head: Vec<u8> = head.chars().map(|c| c as u8).collect();
        body.extend(
            [b"--x\r\nContent-Disposition: form-data; ", &*head, b"\r\n\r\n", &*content, b"\r\n"].concat(),
        );
    }
    body.extend(b"--x--\r\n");
    let request = api.http.post(api.at("/upload")).header("content-type", "multipart/form-data; boundary=x");
    json(request.body(body).send().await.unwrap(), 202).await;
    let job = jobs.next().await;
    let ingest = job.ingest.as_ref().unwrap();
    assert_eq!(
        (ingest.filename.as_str(), ingest.metadata.fields.title.as_str()),
        ("Informe técnico.txt", "Informe técnico")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_several_projects_names_one() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let several = Scope::Projects(["p", "q"].map(|id| id.parse().unwrap()).to_vec());
    worker.allow("several", Role::Write, several);
    let upload = async |form: Form| {
        api.http.post(api.at("/upload")).bearer_auth("several").multipart(form).send().await.unwrap()
    };
    let problem = refused(upload(form("a.txt", "uno")).await, 400).await;
    assert!(problem.contains("metadata.project_id"), "{problem}");
    let named = form("a.txt", "uno").text("metadata", "{\"project_id\": \"q\"}");
    json(upload(named).await, 202).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_with_what_became_of_the_document() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let mut jobs = Jobs::watch(&backends.nats).await;

    // The metadata comes after the file, and the waiting time in the `Prefer` header.
    let form_after = form("a.txt", "uno").text("metadata", r#"{"title": "Uno"}"#);
    let request = api.http.post(api.at("/upload")).header("prefer", "wait=20").multipart(form_after).send();
    let (response, ()) = tokio::join!(request, async {
        let job = jobs.next().await;
        // An event of an earlier upload of the same document must not end the wait.
        jobs.announce(&job, EventKind::Failed, |event| {
            event.facts.request_id = "earlier".into();
            event.facts.at -= chrono::TimeDelta::seconds(60);
        })
        .await;
        jobs.announce(&job, EventKind::Indexed, |event| {
            event.facts.chunks = Some(4);
            event.facts.text_length = Some(3);
        })
        .await;
    });
    let body = json(response.unwrap(), 200).await;
    assert_eq!(body["status"], "success");
    assert_eq!((&body["data"]["chunks_created"], &body["data"]["title"]), (&4.into(), &"Uno".into()));

    let failing = api
        .http
        .post(api.at("/upload?wait=20"))
        .header("accept-language", "en")
        .multipart(form("b.pdf", "x"));
    let (response, ()) = tokio::join!(failing.send(), async {
        let job = jobs.next().await;
        let reason = Reason {
            code: "password".into(),
            message: Message { es: "Tiene contraseña.".into(), en: "It has a password.".into() },
        };
        jobs.announce(&job, EventKind::Failed, |event| event.reason = Some(reason)).await;
    });
    assert_eq!(refused(response.unwrap(), 422).await, "It has a password.");

    let late = api.upload("/upload?wait=20", form("c.txt", "tres"));
    let (response, ()) = tokio::join!(late, async {
        let job = jobs.next().await;
        jobs.announce(&job, EventKind::Superseded, |_| {}).await;
    });
    let body = json(response, 200).await;
    assert_eq!(body["data"]["chunks_created"], 0);
    assert!(body["message"].as_str().unwrap().contains("revisión más nueva"), "{body}");

    let body = json(api.upload("/upload?wait=1", form("d.txt", "cuatro")).await, 202).await;
    assert_eq!(body["status"], "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_deletion_after_which_the_document_is_gone_ends_the_wait() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let mut jobs = Jobs::watch(&backends.nats).await;
    for (name, is_earlier) in [("a.txt", true), ("b.txt", false)] {
        let upload = api.upload("/upload?wait=20", form(name, "uno"));
        let (response, ()) = tokio::join!(upload, async {
            let job = jobs.next().await;
            let queued = document(job.project.as_str(), job.document.as_str(), State::Queued);
            *worker.documents.lock().unwrap() = vec![queued];
            jobs.announce(&job, EventKind::Deleted, |event| event.facts.request_id = "other".into()).await;
            if is_earlier {
                jobs.announce(&job, EventKind::Indexed, |_| {}).await;
            } else {
                worker.documents.lock().unwrap().clear();
            }
        });
        if is_earlier {
            json(response, 200).await;
        } else {
            refused(response, 409).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_upload_is_refused_with_a_reason_and_leaves_nothing() {
    let backends = Backends::start().await;
    let api = backends.api(&["--max-upload-mb=1"]).await;
    let text = |name, text: &'static str| Form::new().text(name, text);
    let cases: Vec<(Form, u16, &str)> = vec![
        (text("metadata", "{}"), 400, "file"),
        (form("a.txt", "x").part("file", Part::bytes(b"y".as_slice()).file_name("b.txt")), 400, "file"),
        (Form::new().part("file", Part::bytes(b"x".as_slice())), 400, "file"),
        (form("a.txt", "x").text("metadata", "[1]"), 400, "metadata"),
        (form("a.txt", "x").text("metadata", r#"{"date": "mañana"}"#), 400, "metadata"),
        (
            form("a.txt", "x").text("metadata", format!(r#"{{"title": "{}"}}"#, "x".repeat(1_001))),
            400,
            "metadata.title",
        ),
        (
            form("a.txt", "x").text("metadata", format!(r#"{{"x": "{}"}}"#, "x".repeat(70_000))),
            400,
            "metadata",
        ),
        (form("a.txt", ""), 422, "El archivo está vacío"),
        (form("setup.exe", "MZ"), 415, "No se puede leer"),
        (form("a.txt", vec![b'x'; 1_100_000]), 413, "Es demasiado grande: el máximo es 1 MiB"),
        (form("a.txt", vec![b'x'; 4_000_000]), 413, "Es demasiado grande: el máximo es 1 MiB"),
        (text("a", "").text("b", ""), 400, "file"),
        ((0..20).fold(Form::new(), |form, i| form.text(format!("p{i}"), "")), 400, "body"),
    ];
    for (number, (form, status, start)) in cases.into_iter().enumerate() {
        let detail = refused(api.upload("/upload", form).await, status).await;
        assert!(detail.starts_with(start), "case {number}: {detail}");
    }
    let detail = refused(api.post("/upload", &serde_json::json!({})).await, 415).await;
    assert!(detail.contains("multipart"), "{detail}");
    let detail = refused(api.upload("/upload?wait=0", form("a.txt", "x")).await, 400).await;
    assert!(detail.starts_with("wait"), "{detail}");

    let stream = backends.nats.jetstream.get_stream(INGEST_STREAM).await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 0);
    nothing_stored(&backends).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_before_it_listens_hears_the_refusal() {
    let backends = Backends::start().await;
    let api = backends.api(&["--max-upload-mb=1"]).await;
    let full = backends.api(&["--max-concurrent-requests=0"]).await;
    let form = "multipart/form-data; boundary=b";
    for (api, path, media_type, length, status) in [
        // The length alone shows that the file is too large.
        (&api, "/upload", form, 4_000_000, "413"),
        // This may be the length of a form with an allowed file, so the server must count the bytes of the file.
        (&api, "/upload", form, 1_900_000, "413"),
        // More than the system's own buffers hold.
        (&api, "/upload", "multipart/form-data", 40_000_000, "415"),
        (&api, "/upload?wait=0", form, 40_000_000, "400"),
        (&api, "/upload?wait=x", form, 40_000_000, "400"),
        (&api, "/nowhere", form, 40_000_000, "404"),
        (&api, "/documents", form, 40_000_000, "405"),
        (&full, "/upload", form, 40_000_000, "503"),
    ] {
        let mut socket = tokio::net::TcpStream::connect(api.address()).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n\
             --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let before = head.len() - head.find("\r\n\r\n").unwrap() - 4;
        socket.write_all(&vec![b'x'; length - before]).await.unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, format!("HTTP/1.1 {status}").as_bytes(), "{path} {media_type} {length}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_before_it_listens_hears_that_a_stop_cuts_it_off() {
    let backends = Backends::start().await;
    let api = backends.api(&["--shutdown-timeout=6"]).await;
    let mut socket = tokio::net::TcpStream::connect(api.address()).await.unwrap();
    let head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 20000000\r\n\r\n\
                --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&vec![b'x'; 2_000_000]).await.unwrap();
    until("some of it is stored", || async { stored_messages(&backends).await > 0 }).await;
    let client = async {
        // The answer is there before the client has sent more than the system's own buffers hold.
        socket.peek(&mut [0]).await.unwrap();
        socket.write_all(&vec![b'x'; 10_000_000]).await.unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 503");
    };
    tokio::join!(client, api.stop());
    nothing_stored(&backends).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_its_job_is_acknowledged_leaves_the_file() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    // In place of the stream, this test receives the jobs and acknowledges none of them.
    backends.nats.jetstream.delete_stream(INGEST_STREAM).await.unwrap();
    let mut jobs = Jobs::watch(&backends.nats).await;
    let upload = |form| tokio::spawn(api.http.post(api.at("/upload")).multipart(form).send());
    let leaving = upload(form("a.txt", "uno"));
    let job = jobs.next().await;
    leaving.abort();
    let left = r#"http_requests_total{endpoint="/upload",method="POST",status="499"} 1"#;
    until("the client is missed", || async {
        api.get("/metrics").await.text().await.unwrap().contains(left)
    })
    .await;
    // If the api deleted the file, it would have done so before it has stored another, larger one.
    let next = upload(form("b.txt", vec![b'x'; 5_000_000]));
    jobs.next().await;
    next.abort();
    let objects = Objects::open(&backends.nats).await.unwrap();
    assert_eq!(objects.info(&job.object().name).await.unwrap().size, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_half_way_leaves_nothing() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let mut socket = tokio::net::TcpStream::connect(api.address()).await.unwrap();
    let head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000000\r\n\r\n\
                --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&vec![b'x'; 2_000_000]).await.unwrap();
    until("some of it is stored", || async { stored_messages(&backends).await > 0 }).await;
    drop(socket);
    nothing_stored(&backends).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_said_and_a_slow_client_dropped() {
    let backends = Backends::start().await;
    let api = backends.api(&["--stall-timeout=1"]).await;
    for number in 0..100 {
        json(api.upload("/upload", form("a.txt", format!("{number}"))).await, 202).await;
    }
    let before = stored_messages(&backends).await;
    let response = api.upload("/upload", form("a.txt", "one too many")).await;
    assert_eq!(response.headers()["retry-after"], "1");
    refused(response, 503).await;
    until("the refused file is gone", || async { stored_messages(&backends).await <= before + 1 }).await;

    let mut socket = tokio::net::TcpStream::connect(api.address()).await.unwrap();
    let head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 500\r\n\r\n--b\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

async fn stored_messages(backends: &Backends) -> u64 {
    let stream = backends.nats.jetstream.get_stream(FILES_STREAM).await.unwrap();
    stream.cached_info().state.messages
}

/// Waits until the object store contains no object and no part of one.
async fn nothing_stored(backends: &Backends) {
    let stream = backends.nats.jetstream.get_stream(FILES_STREAM).await.unwrap();
    until("every part is deleted", || async {
        use futures::TryStreamExt as _;
        let parts = stream.info_with_subjects(format!("$O.{FILES_BUCKET}.C.>")).await.unwrap();
        parts.try_collect::<Vec<_>>().await.unwrap().is_empty()
    })
    .await;
    let objects = Objects::open(&backends.nats).await.unwrap();
    assert!(matches!(objects.info("none").await, Err(Error::NotFound)));
}
