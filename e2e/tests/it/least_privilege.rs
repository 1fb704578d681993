//! Every service has its own users (ops/nats/nats.conf, ops/postgres/roles.sql): it can do its work, and
//! nothing else.

mod logins;
mod subjects;

use async_nats::jetstream;
use e2e::{Options, System, Upload, accounts::password};
use futures::StreamExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{producers, sample};

const PROJECT: &str = "cuentas";

#[tokio::test]
async fn with_an_account_each_the_services_work_and_are_refused_nothing() {
    let system = System::start(Options { accounts: true, ..Options::default() }).await.unwrap();
    let client = system.client().unwrap();
    let metadata = json!({"project_id": PROJECT, "title": "Informe"});

    // Upload, search, original file, chat.
    let text = "La junta de dilatación del eje 7 tiene 25 mm de ancho.";
    let id = client.index(Upload::new("informe.txt", text, metadata.clone())).await.unwrap();
    let rows = client.search(PROJECT, "junta de dilatación").await.unwrap();
    assert_eq!(rows[0]["document_id"], json!(id));
    let file = client.get(&format!("/document/{id}/file?project_id={PROJECT}")).await.unwrap();
    assert_eq!(file.text().await.unwrap(), text);
    let question = json!({"question": "¿Qué ancho tiene la junta de dilatación?", "project_id": PROJECT});
    let chat = client.post("/chat", &question).await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(chat["sources"][0]["document_id"], json!(id), "{chat}");
    // The same upload again: the second copy of the file is not needed, so a service removes it from the
    // object store.
    let again = client.try_upload(Upload::new("informe.txt", text, metadata), "?wait=60").await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);

    // An import, and a mail with an attachment: for both, the ingest worker publishes further jobs.
    let records = [1, 2].map(|number| {
        json!({"DocumentId": format!("r{number}"), "metadata": {"Title": format!("Registro {number}")},
               "full_text": format!("Registro del hormigón número {number}.")})
        .to_string()
    });
    let import = Upload::new("registros.ndjson", records.join("\n"), json!({"project_id": PROJECT}));
    let import = client.upload(import).await.unwrap();
    assert_eq!(client.settled(&import, PROJECT).await.unwrap()["records"]["indexed"], json!(2));

    // A document that cannot be read becomes a dead letter.
    let empty = Upload::new("vacio.txt", "   ", json!({"project_id": PROJECT}));
    let empty = client.upload(empty).await.unwrap();
    assert_eq!(client.settled(&empty, PROJECT).await.unwrap()["state"], "failed");
    // An administrator requeues the dead letter, whose job fails again, and then discards the new one.
    for (settle, status) in [("requeue", "requeued"), ("", "discarded")] {
        let id = dead_letter(&client, &empty).await;
        let path = format!("/dead-letters/{id}/{settle}");
        let answer = match settle {
            "" => client.delete(path.trim_end_matches('/')).await,
            _ => client.post(&path, &json!({})).await,
        };
        assert_eq!(answer.unwrap().json::<Value>().await.unwrap()["status"], status);
    }

    // A login to an account that does not exist.
    let login = json!({"email": "nadie@obra.cl", "password": "ninguna"});
    assert_eq!(client.post("/auth/login", &login).await.unwrap().status(), StatusCode::UNAUTHORIZED);

    // Deletion.
    let gone = client.delete(&format!("/documents/{id}?project_id={PROJECT}")).await.unwrap();
    assert!(gone.status().is_success(), "{}", gone.status());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while client
        .search(PROJECT, "junta de dilatación")
        .await
        .unwrap()
        .iter()
        .any(|row| row["document_id"] == id)
    {
        assert!(std::time::Instant::now() < deadline, "the deleted document still answers");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    // A producer sends a text, the same text again, and a file. For the second text, no event follows: the
    // document is already indexed.
    let text = ["--document", "p1", "--text", "El anclaje A-7 se tesó a 320 kN."];
    assert!(produce(&system, &text, 0).await.contains("indexed"));
    assert!(produce(&system, &[&text[..], &["--timeout", "1"]].concat(), 2).await.contains("sent before"));
    let path = format!("{}/../samples/files/{}", env!("CARGO_MANIFEST_DIR"), a_sample());
    assert!(produce(&system, &["--document", "p2", "--file", &path], 0).await.contains("indexed"));
    assert_eq!(client.search(PROJECT, "anclaje A-7 tesó").await.unwrap()[0]["document_id"], "p1");
    let file = client.get(&format!("/document/p2/file?project_id={PROJECT}")).await.unwrap();
    assert_eq!(file.bytes().await.unwrap().to_vec(), sample(a_sample()));

    let log = std::fs::read_to_string(system.stack.logs().join("nats.log")).unwrap();
    let refused: Vec<&str> = log.lines().filter(|line| line.contains("Violation")).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));

    logins::logins_may_do_their_own_work_only(&system).await;
}

/// Waits for a document's dead letter and returns its id.
async fn dead_letter(client: &e2e::Client, document: &str) -> u64 {
    loop {
        let list = client.get("/dead-letters").await.unwrap().json::<Value>().await.unwrap();
        let mut letters = list["dead_letters"].as_array().unwrap().iter();
        if let Some(letter) = letters.find(|letter| letter["document_id"] == document) {
            return letter["id"].as_u64().unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn a_sample() -> &'static str {
    static NAME: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let folder = format!("{}/../samples/files", env!("CARGO_MANIFEST_DIR"));
        let names =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".pdf")).min().unwrap()
    });
    &NAME
}

/// Runs the example producer that README mentions, with the account of a producer. Its exit code must be
/// `code`.
async fn produce(system: &System, arguments: &[&str], code: i32) -> String {
    let script = format!("{}/../load/nats_producer.py", env!("CARGO_MANIFEST_DIR"));
    let output = tokio::process::Command::new(producers::python_with_nats(system).await)
        .args([&script, "--server", system.stack.nats_url(), "--project", PROJECT])
        .args(arguments)
        .envs([("NATS_USER", "producer".to_owned()), ("NATS_PASSWORD", password("producer"))])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Permissions of NATS restrict what a client publishes, but not the reply subject to which the server sends
/// an answer. An answer of the server on the subject of a job or a query must have no effect.
#[tokio::test]
async fn an_answer_of_the_server_in_the_place_of_a_job_does_nothing() {
    let system = System::start(Options::default()).await.unwrap();
    let client = system.client().unwrap();
    let text = "El pararrayos se conecta a la malla de tierra.";
    let upload = Upload::new("pararrayos.txt", text, json!({"project_id": PROJECT}));
    let id = client.index(upload).await.unwrap();
    let nats = async_nats::connect(system.stack.nats_url()).await.unwrap();
    let mut events = nats.subscribe(format!("acorag.v1.event.{PROJECT}.*.failed")).await.unwrap();
    let stream = jetstream::new(nats.clone());

    // Stored messages that the server can be made to send as answers: a valid deletion and a valid job.
    let stored = |name: &str, payload: String| (format!("$O.FILES.M.{name}"), payload);
    let forged =
        [stored("delete", "{}".to_owned()), stored("document", json!({"text": "Falso."}).to_string())];
    for (subject, payload) in &forged {
        stream.publish(subject.clone(), payload.clone().into()).await.unwrap().await.unwrap();
    }
    let job = |kind: &str, id: &str| format!("acorag.v1.ingest.{kind}.{PROJECT}.{id}");
    for kind in ["delete", "document"] {
        let read = format!("$JS.API.DIRECT.GET.OBJ_FILES.$O.FILES.M.{kind}");
        nats.publish_with_reply(read, job(kind, &id), "".into()).await.unwrap();
        nats.publish_with_reply("$JS.API.STREAM.INFO.INGEST", job(kind, &id), "".into()).await.unwrap();
        // Two other kinds of answers: the acknowledgement of a stored message, and the answer to a pull
        // without messages.
        nats.publish_with_reply("acorag.v1.dlq.x", job(kind, &id), "".into()).await.unwrap();
        let pull = "$JS.API.CONSUMER.MSG.NEXT.INGEST.ingest-record";
        nats.publish_with_reply(pull, job(kind, &id), r#"{"batch":1,"no_wait":true}"#.into()).await.unwrap();
    }
    // Consumers deliver jobs in order. The event of this last, unreadable job shows that the jobs before it
    // were delivered.
    stream.publish(job("document", "ultimo"), "no".into()).await.unwrap().await.unwrap();
    loop {
        let event =
            tokio::time::timeout(std::time::Duration::from_secs(60), events.next()).await.unwrap().unwrap();
        if event.subject.contains(".ultimo.") {
            break;
        }
    }
    let consumers = ["ingest-document", "ingest-delete"];
    for consumer in consumers {
        let mut consumer: jetstream::consumer::PullConsumer =
            stream.get_consumer_from_stream(consumer, "INGEST").await.unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let info = consumer.info().await.unwrap();
            if info.num_pending == 0 && info.num_ack_pending == 0 {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{info:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    let document = client.document(&id, PROJECT).await.unwrap();
    assert_eq!(document["state"], "indexed", "{document}");
    assert_eq!(
        client.search(PROJECT, "pararrayos malla de tierra").await.unwrap()[0]["snippet"].as_str(),
        Some(text)
    );
    assert_eq!(client.document("ultimo", PROJECT).await.unwrap()["state"], "failed");
}
