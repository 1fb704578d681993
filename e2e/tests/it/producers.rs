//! A document that a producer publishes to NATS is treated like an upload.

use std::process::Stdio;

use async_nats::jetstream;
use futures::StreamExt as _;
use schemas::{
    DocumentId, ProjectId,
    ingest::SentFile,
    subjects::{self, JobKind},
};
use serde_json::{Value, json};

use crate::{shared, turns::until, unique};

/// Publishes a job as a producer does.
pub async fn publish(stream: &jetstream::Context, project: &str, document: &str, job: &Value) {
    let subject = subjects::job(JobKind::Document, &project.parse().unwrap(), &document.parse().unwrap());
    stream.publish(subject, job.to_string().into()).await.unwrap().await.unwrap();
}

async fn jetstream(system: &e2e::System) -> jetstream::Context {
    jetstream::new(async_nats::connect(system.stack.nats_url()).await.unwrap())
}

#[tokio::test]
async fn a_message_becomes_a_document_with_all_its_events() {
    let (client, system) = shared().await;
    let project: ProjectId = unique("Obra Norte / productor").parse().unwrap();
    let document: DocumentId = "acta.12".parse().unwrap();
    let nats = async_nats::connect(system.stack.nats_url()).await.unwrap();
    let mut events = nats.subscribe(subjects::events_of(&project, &document)).await.unwrap();
    let job =
        json!({"text": "El replanteo del eje C se corrige en 12 mm.", "metadata": {"title": "Acta 12"}});
    publish(&jetstream(system).await, project.as_str(), document.as_str(), &job).await;

    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("indexed") {
        let message =
            tokio::time::timeout(std::time::Duration::from_secs(60), events.next()).await.unwrap().unwrap();
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        assert_ne!(event["event"], "failed", "{event}");
        if event["event"] == "queued" {
            assert_eq!(event["title"], "Acta 12", "as in the event of an upload: {event}");
        }
        seen.push(event["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen.first().map(String::as_str), Some("queued"), "{seen:?}");
    let rows = client.search(project.as_str(), "replanteo del eje C").await.unwrap();
    assert_eq!((&rows[0]["document_id"], &rows[0]["title"]), (&json!("acta.12"), &json!("Acta 12")));
}

#[tokio::test]
async fn a_message_cannot_reach_into_another_project() {
    let (client, system) = shared().await;
    let (ours, theirs) = (unique("propio"), unique("ajeno"));
    let job = json!({"text": "Contrabando.", "metadata": {"project_id": theirs}});
    publish(&jetstream(system).await, &ours, "x", &job).await;
    let document = client.settled("x", &ours).await.unwrap();
    assert_eq!((&document["state"], &document["reason_code"]), (&json!("failed"), &json!("invalid_job")));
    assert!(client.search(&theirs, "contrabando").await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_the_services_own_is_not_believed() {
    let (client, system) = shared().await;
    let (ours, theirs) = (unique("propio"), unique("ajeno"));
    let stream = jetstream(system).await;
    let parent = json!({"project_id": theirs, "document_id": "import"});
    for (id, own) in [("scope", json!({"record_scope": "all"})), ("parent", json!({"parent": parent}))] {
        let mut job = json!({"text": "Contrabando."});
        job.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        publish(&stream, &ours, id, &job).await;
        let document = client.settled(id, &ours).await.unwrap();
        assert_eq!((&document["state"], &document["reason_code"]), (&json!("failed"), &json!("invalid_job")));
    }
    // JetStream refuses a message on a subject that no stream has.
    let mistyped = stream.publish("acorag.v1.ingest.documents.p.d", "{}".into()).await.unwrap();
    assert!(mistyped.await.is_err());
}

#[tokio::test]
async fn odd_characters_do_not_stop_a_document() {
    let (client, system) = shared().await;
    let project = unique("nulos");
    let stream = jetstream(system).await;
    let send = async |id: &str, job: Value| {
        publish(&stream, &project, id, &job).await;
        // The document of an unreadable message is unknown until a worker has received the message.
        let status = format!("/documents/{id}?project_id={project}");
        until("it is known", async || client.get(&status).await.unwrap().status() != 404).await;
        client.settled(id, &project).await.unwrap()
    };
    let indexed =
        send("texto", json!({"text": "El rad\0ier lleva malla Acma.", "filename": "a\0.txt"})).await;
    assert_eq!((&indexed["state"], &indexed["filename"]), (&json!("indexed"), &json!("a.txt")));
    let refused = send("campo", json!({"text": "Acta.", "metadata": {"date": "a\0b"}})).await;
    assert_eq!((&refused["state"], &refused["reason_code"]), (&json!("failed"), &json!("invalid_job")));
    let forged =
        send("objeto", json!({"file": {"id": "no\0hay", "size": 1, "sha256": "ab".repeat(32)}})).await;
    assert_eq!((&forged["state"], &forged["reason_code"]), (&json!("failed"), &json!("invalid_job")));
    let missing =
        send("perdido", json!({"file": {"id": "no-hay", "size": 1, "sha256": "ab".repeat(32)}})).await;
    assert_eq!((&missing["state"], &missing["reason_code"]), (&json!("failed"), &json!("file_missing")));
}

#[tokio::test]
async fn a_file_is_taken_in_when_it_is_what_was_announced() {
    let (client, system) = shared().await;
    let project: ProjectId = unique("almacén").parse().unwrap();
    let stream = jetstream(system).await;
    // The file has several parts, of which the last is shorter.
    let text = "La barrera de vapor va bajo el radier.\n".repeat(30_000);
    let file = e2e::producer::send_file(&stream, &project, text.as_bytes()).await.unwrap();
    let job = |file: &SentFile| json!({"file": file, "filename": "informe.txt"});
    publish(&stream, project.as_str(), "uno", &job(&file)).await;
    let document = client.settled("uno", project.as_str()).await.unwrap();
    assert_eq!(
        (&document["state"], &document["size"]),
        (&json!("indexed"), &json!(text.len())),
        "{document}"
    );
    let stored = client.get(&format!("/document/uno/file?project_id={project}")).await.unwrap();
    assert_eq!(stored.text().await.unwrap(), text);
    let parts = stream.get_stream_no_info(subjects::PARTS_STREAM).await.unwrap();
    let left = parts.get_last_raw_message_by_subject(&subjects::parts(&project, &file)).await;
    assert!(left.is_err(), "the parts are removed");
    // The parts are gone, so the same job again must find the object that the first job stored.
    publish(&stream, project.as_str(), "uno", &job(&file)).await;

    // A file that differs from its description in the job is refused, and later jobs are done.
    let short = e2e::producer::send_file(&stream, &project, b"Una losa.").await.unwrap();
    for (id, forged, code) in [
        ("largo", SentFile { size: 8, ..short.clone() }, "wrong_hash"),
        ("corto", SentFile { size: 1_000_000, ..short.clone() }, "wrong_hash"),
        ("otro", SentFile { sha256: "ab".repeat(32), ..short.clone() }, "wrong_hash"),
        ("enorme", SentFile { size: u64::MAX, ..short.clone() }, "too_large"),
        ("vacio", SentFile { size: 0, ..short.clone() }, "empty"),
    ] {
        publish(&stream, project.as_str(), id, &job(&forged)).await;
        let document = client.settled(id, project.as_str()).await.unwrap();
        assert_eq!((&document["state"], &document["reason_code"]), (&json!("failed"), &json!(code)), "{id}");
    }
    assert_eq!(client.settled("uno", project.as_str()).await.unwrap()["state"], "indexed");
}

#[tokio::test]
async fn a_record_with_the_id_of_its_import_does_not_end_the_import() {
    let (client, system) = shared().await;
    let (project, stream) = (unique("homónimo"), jetstream(system).await);
    let import = async |document: &str, records: &[&str]| {
        let record =
            |id: &&str| json!({"DocumentId": id, "full_text": format!("El hito {id} está en el eje.")});
        let lines: Vec<String> = records.iter().map(|id| record(id).to_string()).collect();
        let (of, lines) = (project.parse().unwrap(), lines.join("\n"));
        let file = e2e::producer::send_file(&stream, &of, lines.as_bytes()).await.unwrap();
        publish(&stream, &project, document, &json!({"file": file, "filename": "hitos.ndjson"})).await;
        client.settled(document, &project).await.unwrap()
    };
    let several = import("lote", &["a", "lote", "b"]).await;
    assert_eq!(several["records"], json!({"total": 3, "indexed": 2, "failed": 1}), "{several}");
    // Without other records, it is the document itself.
    let alone = import("solo", &["solo"]).await;
    assert_eq!((&alone["state"], &alone["kind"]), (&json!("indexed"), &json!("document")), "{alone}");
    let found = client.search(&project, "hito eje").await.unwrap();
    let mut found: Vec<&str> = found.iter().map(|row| row["document_id"].as_str().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, ["a", "b", "solo"]);
}

/// The example producer in Python that README mentions.
#[tokio::test]
async fn the_python_producer_works() {
    let (client, system) = shared().await;
    let python = python_with_nats(system).await;
    let script = format!("{}/../load/nats_producer.py", env!("CARGO_MANIFEST_DIR"));
    // The same document in two projects is two documents.
    for project in [unique("python"), unique("python")] {
        let output = tokio::process::Command::new(&python)
            .args([&script, "--server", system.stack.nats_url(), "--project", &project, "--document", "py-1"])
            .args(["--text", "La cota de fundación es -4,35 m.", "--title", "Cotas"])
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rows = client.search(&project, "cota de fundación").await.unwrap();
        assert_eq!(rows[0]["document_id"], "py-1");
    }
}

/// Returns the Python of a virtual environment with nats-py, which is made once in the folder `.stack`.
pub async fn python_with_nats(system: &e2e::System) -> std::path::PathBuf {
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one_at_a_time = MAKING.lock().await;
    let folder = system.stack.paths().stack.join("nats-py");
    let python = folder.join("bin/python");
    if !folder.join("done").exists() {
        let version =
            std::fs::read_to_string(format!("{}/../load/requirements.txt", env!("CARGO_MANIFEST_DIR")))
                .unwrap();
        let version = version.lines().find(|line| line.starts_with("nats-py")).unwrap().to_owned();
        let version = version.split_whitespace().next().unwrap();
        run("python3", &["-m", "venv", folder.to_str().unwrap()]).await;
        run(python.to_str().unwrap(), &["-m", "pip", "install", "-q", version]).await;
        std::fs::write(folder.join("done"), "").unwrap();
    }
    python
}

async fn run(program: &str, arguments: &[&str]) {
    let output = tokio::process::Command::new(program).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
