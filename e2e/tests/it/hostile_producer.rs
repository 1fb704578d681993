//! An event producer attacks with the rights that ops/nats/nats.conf gives to producers: it can read nothing
//! of another project, can remove nothing, and makes nobody wait.

use std::time::Duration;

use async_nats::jetstream::{self, consumer::PullConsumer};
use e2e::{Client, Options, System, Upload, accounts::password, attack::Attacker};
use schemas::{
    ProjectId,
    ingest::SentFile,
    subjects::{self, JobKind},
    text::hex,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::turns::until;

const THEIRS: &str = "ajeno";
const OURS: &str = "propio";
const SECRET: &str = "El sobrecosto del pilote P-7 es de 41 millones.";

async fn file(client: &Client, project: &str, id: &str) -> Option<Vec<u8>> {
    let answer = client.get(&format!("/document/{id}/file?project_id={project}")).await.unwrap();
    match answer.status().is_success() {
        true => Some(answer.bytes().await.unwrap().to_vec()),
        false => None,
    }
}

fn project(name: &str) -> ProjectId {
    name.parse().unwrap()
}

/// Connects to JetStream with the rights of this user of NATS.
async fn as_user(system: &System, user: &str) -> jetstream::Context {
    let options = async_nats::ConnectOptions::with_user_and_password(user.into(), password(user));
    let options = options.custom_inbox_prefix(format!("_INBOX_{user}"));
    jetstream::new(options.connect(system.stack.nats_url()).await.unwrap())
}

#[tokio::test]
async fn a_producer_reads_and_removes_no_file_and_keeps_nobody_waiting() {
    let system = System::start(Options { accounts: true, ..Options::default() }).await.unwrap();
    let client = system.client().unwrap();
    let upload = Upload::new("secreto.txt", SECRET, json!({"project_id": THEIRS}));
    let victim = client.index(upload).await.unwrap();
    let attacker = Attacker::connect(system.stack.nats_url(), project(OURS)).await.unwrap();

    // The producer may not write into the object store.
    let files = as_user(&system, "api").await.get_object_store(subjects::FILES_BUCKET).await.unwrap();
    let known = files.put("conocido", &mut SECRET.as_bytes()).await.unwrap();
    assert_eq!(attacker.forge_objects(&known.nuid).await.unwrap(), Vec::<String>::new());

    // The producer's jobs may name no object of the store, and no file that was sent for another project. A
    // job fails at once, without retries, if its file differs from the announced size and hash, or if its
    // headers are commands to JetStream.
    for job in attacker.bad_jobs(&["conocido", "x"], &project(THEIRS), 0).await.unwrap() {
        attacker.send(&job).await.unwrap();
        let document = client.settled(job.document.as_str(), OURS).await.unwrap();
        assert_eq!(document["reason_code"], job.fails_by, "{document}");
        assert_eq!(file(&client, OURS, job.document.as_str()).await, None);
    }
    attacker.send_commands(0).await.unwrap();

    // The producer cannot guess the ids of the worker's own messages: every record of another project's
    // import becomes a document.
    attacker.take_message_ids(0).await.unwrap();
    let records = [1, 2].map(|number| {
        json!({"DocumentId": format!("r{number}"), "metadata": {"Title": format!("Registro {number}")},
               "full_text": format!("Registro del hormigón número {number}.")})
        .to_string()
    });
    let import = Upload::new("registros.ndjson", records.join("\n"), json!({"project_id": THEIRS}));
    let import = client.upload(import).await.unwrap();
    let import = client.settled(&import, THEIRS).await.unwrap();
    assert_eq!(import["records"]["indexed"], json!(2), "{import}");

    // No job is left waiting, and the other project is unchanged.
    let stream = as_user(&system, "ingest").await.get_stream_no_info(subjects::INGEST_STREAM).await.unwrap();
    let mut consumer: PullConsumer =
        stream.get_consumer(&subjects::ingest_consumer(JobKind::Document)).await.unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let info = consumer.info().await.unwrap();
        if info.num_pending == 0 && info.num_ack_pending == 0 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "jobs are tried for ever: {info:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(file(&client, THEIRS, &victim).await.as_deref(), Some(SECRET.as_bytes()));
    let rows = client.search(THEIRS, "sobrecosto del pilote").await.unwrap();
    assert_eq!(rows[0]["document_id"], json!(victim));
    let rows = client.search(OURS, "sobrecosto del pilote").await.unwrap();
    assert!(rows.iter().all(|row| row["project_id"] == json!(OURS)), "{rows:?}");
    assert!(rows.iter().all(|row| !row["snippet"].to_string().contains("sobrecosto")), "{rows:?}");
}

/// Publishes a job with raw headers, which no client library would send.
async fn send_raw(nats_url: &str, subject: &str, headers: &str, body: &str) {
    let address = nats_url.trim_start_matches("nats://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    let connect = json!({"user": "producer", "pass": password("producer"), "headers": true, "verbose": false, "pedantic": false});
    let (head, whole) = (headers.len(), headers.len() + body.len());
    let said = format!("CONNECT {connect}\r\nHPUB {subject} {head} {whole}\r\n{headers}{body}\r\nPING\r\n");
    connection.write_all(said.as_bytes()).await.unwrap();
    let mut heard = String::new();
    while !heard.contains("PONG") {
        let mut part = [0; 4096];
        let read = connection.read(&mut part).await.unwrap();
        assert!(read > 0 && !heard.contains("-ERR"), "{heard}");
        heard.push_str(&String::from_utf8_lossy(&part[..read]));
    }
}

#[tokio::test]
async fn headers_that_break_the_client_library_stop_nobody() {
    let mut system = System::start(Options { accounts: true, ..Options::default() }).await.unwrap();
    let client = system.client().unwrap();
    let url = system.stack.nats_url().to_owned();
    let subject =
        |document: &str| subjects::job(JobKind::Document, &project(OURS), &document.parse().unwrap());
    let attacker = Attacker::connect(&url, project(OURS)).await.unwrap();
    let stream = as_user(&system, "ingest").await.get_stream_no_info(subjects::INGEST_STREAM).await.unwrap();
    let state = async || stream.get_info().await.unwrap().state;
    // The first two end the connection, the third one ends the worker, which Kubernetes starts again.
    for (document, headers) in [
        ("colon", "NATS/1.0\r\nwithout colon\r\n\r\n"),
        ("name", "NATS/1.0\r\na b: c\r\n\r\n"),
        ("return", "NATS/1.0\r\nX: a\rb\r\n\r\n"),
    ] {
        // The id under which the worker queues the job again cannot be guessed: JetStream would drop that job.
        until("all jobs are done", async || state().await.messages == 0).await;
        let last = state().await.last_sequence;
        let (noise, guess) = (subject(&format!("ruido-{document}")), format!("readable:{}", last + 2));
        let text = json!({"text": "Ruido."}).to_string();
        attacker.publish(&noise, &[("Nats-Msg-Id", &guess)], text).await.unwrap().unwrap();
        until("the noise is done", async || state().await.messages == 0).await;

        let body = json!({"text": format!("La losa se cura siete días: {document}.")}).to_string();
        send_raw(&url, &subject(document), headers, &body).await;
        if document == "return" {
            let deadline = std::time::Instant::now() + Duration::from_secs(60);
            while system.ingest_workers[0].is_running() {
                assert!(std::time::Instant::now() < deadline, "the worker waits for ever");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            system.ingest_workers[0].restart().await.unwrap();
        }
        assert_eq!(client.settled(document, OURS).await.unwrap()["state"], "indexed", "{document}");
        // The noise, the job, and the job queued again: nothing else has come, so the job had the number in the guessed id.
        assert_eq!(state().await.last_sequence, last + 3, "{document}");

        // A part of a file with such headers is read like any other.
        let part = "El muro lleva malla.";
        let file =
            SentFile { id: document.to_owned(), size: part.len() as u64, sha256: hex(Sha256::digest(part)) };
        send_raw(&url, &subjects::parts(&project(OURS), &file), headers, part).await;
        let (of_file, job) = (format!("file-{document}"), json!({"file": file, "filename": "muro.txt"}));
        send_raw(&url, &subject(&of_file), "NATS/1.0\r\n\r\n", &job.to_string()).await;
        assert_eq!(client.settled(&of_file, OURS).await.unwrap()["state"], "indexed", "{document}");
        client.index(Upload::new("otra.txt", document, json!({"project_id": THEIRS}))).await.unwrap();
    }
}
