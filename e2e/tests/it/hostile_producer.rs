//! An event producer that attacks, with the rights that ops/nats/nats.conf gives it: it reads nothing of another project,
//! removes nothing, and keeps nobody waiting.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{self, consumer::PullConsumer},
};
use bytes::Bytes;
use e2e::{Client, Options, System, Upload, accounts::password, producer::send_file};
use schemas::{
    ProjectId,
    subjects::{self, JobKind},
};
use serde_json::{Value, json};

const THEIRS: &str = "ajeno";
const OURS: &str = "propio";
const SECRET: &str = "El sobrecosto del pilote P-7 es de 41 millones.";

struct Attack {
    system: System,
    client: Client,
    producer: jetstream::Context,
    /// The document of another project.
    victim: String,
}

impl Attack {
    async fn prepare() -> Self {
        let system = System::start(Options { accounts: true, ..Options::default() }).await.unwrap();
        let client = system.client().unwrap();
        let upload = Upload::new("secreto.txt", SECRET, json!({"project_id": THEIRS}));
        let victim = client.index(upload).await.unwrap();
        let user =
            async_nats::ConnectOptions::with_user_and_password("producer".into(), password("producer"));
        let user =
            user.custom_inbox_prefix("_INBOX_producer").connect(system.stack.nats_url()).await.unwrap();
        let mut producer = jetstream::new(user);
        producer.set_timeout(Duration::from_secs(2));
        Self { system, client, producer, victim }
    }

    /// Publishes and returns the sequence, or nothing when JetStream did not accept the message.
    async fn publish(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        payload: impl Into<Bytes>,
    ) -> Option<u64> {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.insert(*name, *value));
        let sent = self.producer.publish_with_headers(subject.to_owned(), map, payload.into()).await.unwrap();
        tokio::time::timeout(Duration::from_secs(2), sent).await.ok()?.ok().map(|ack| ack.sequence)
    }

    async fn job(&self, id: &str, job: &Value) -> Value {
        let subject = subjects::job(JobKind::Document, &project(OURS), &id.parse().unwrap());
        self.publish(&subject, &[], job.to_string()).await.expect("a producer may publish jobs");
        self.client.settled(id, OURS).await.unwrap()
    }

    async fn file(&self, project: &str, id: &str) -> Option<Vec<u8>> {
        let answer = self.client.get(&format!("/document/{id}/file?project_id={project}")).await.unwrap();
        match answer.status().is_success() {
            true => Some(answer.bytes().await.unwrap().to_vec()),
            false => None,
        }
    }
}

fn project(name: &str) -> ProjectId {
    name.parse().unwrap()
}

#[tokio::test]
async fn a_producer_reads_and_removes_no_file_and_keeps_nobody_waiting() {
    let attack = Attack::prepare().await;
    let hash = "ab".repeat(32);

    // It may not write into the object store: no description with a wildcard, with another's parts or of a link, and no
    // header that removes everything.
    let described = |nuid: &str| {
        json!({"name": "x", "bucket": "FILES", "nuid": nuid, "size": 1_000_000, "chunks": 1,
               "mtime": "2020-01-01T00:00:00Z", "options": {"link": {"bucket": "FILES", "name": "x"}}})
        .to_string()
    };
    for nuid in [">", "../../wal/000000010000000000000001"] {
        assert_eq!(attack.publish("$O.FILES.M.eA==", &[], described(nuid)).await, None);
    }
    for subject in ["$O.FILES.M.eA==", "$O.FILES.C.x", "acorag.v1.ingest.document.propio.rollup"] {
        assert_eq!(attack.publish(subject, &[("Nats-Rollup", "all")], "{}").await, None, "{subject}");
    }

    // It may name no object, whoever stored it, and no file that was sent for another project.
    let api = password("api");
    let api = async_nats::ConnectOptions::with_user_and_password("api".into(), api);
    let api = api.custom_inbox_prefix("_INBOX_api").connect(attack.system.stack.nats_url()).await.unwrap();
    let files = jetstream::new(api).get_object_store(subjects::FILES_BUCKET).await.unwrap();
    files.put("conocido", &mut SECRET.as_bytes()).await.unwrap();
    for (id, object) in [("objeto", json!({"name": "conocido"})), ("comodin", json!({"name": "x"}))] {
        let document = attack.job(id, &json!({"object": object, "filename": "a.txt"})).await;
        assert_eq!(document["reason_code"], "invalid_job", "{document}");
        assert_eq!(attack.file(OURS, id).await, None);
    }
    let theirs = send_file(&attack.producer, &project(THEIRS), SECRET.as_bytes()).await.unwrap();
    let document = attack.job("robado", &json!({"file": theirs, "filename": "a.txt"})).await;
    assert_eq!(document["reason_code"], "file_missing", "{document}");
    assert_eq!(attack.file(OURS, "robado").await, None);

    // A file that is not what was announced is refused at once, not tried for ever, and so is a job whose headers are
    // commands to JetStream.
    let sent = send_file(&attack.producer, &project(OURS), b"Una losa.").await.unwrap();
    for (id, size) in [("corto", 8), ("largo", 90_000_000)] {
        let forged = json!({"id": sent.id, "size": size, "sha256": hash});
        let document = attack.job(id, &json!({"file": forged, "filename": "a.txt"})).await;
        assert_eq!(document["reason_code"], "wrong_hash", "{document}");
    }
    for name in ["Nats-Expected-Stream", "Nats-Expected-Last-Msg-Id"] {
        let subject = subjects::job(JobKind::Document, &project(OURS), &name.parse().unwrap());
        let value = if name.ends_with("Stream") { "INGEST" } else { "" };
        attack.publish(&subject, &[(name, value)], "{}").await;
    }

    // It cannot take the ids of the worker's own messages: every record of another's import becomes a document.
    let job = |id: &str| subjects::job(JobKind::Document, &project(OURS), &id.parse().unwrap());
    let text = json!({"text": "Ruido."}).to_string();
    let last = attack.publish(&job("ruido"), &[], text.clone()).await.unwrap();
    for ahead in 60..66_u64 {
        for index in 0..2 {
            let id = format!("{}:{index}", last + ahead);
            attack
                .publish(&job(&format!("ruido-{ahead}-{index}")), &[("Nats-Msg-Id", &id)], text.clone())
                .await;
        }
    }
    while attack.publish(&job("relleno"), &[], text.clone()).await.unwrap() < last + 60 {}
    let records = [1, 2].map(|number| {
        json!({"DocumentId": format!("r{number}"), "metadata": {"Title": format!("Registro {number}")},
               "full_text": format!("Registro del hormigón número {number}.")})
        .to_string()
    });
    let import = Upload::new("registros.ndjson", records.join("\n"), json!({"project_id": THEIRS}));
    let import = attack.client.upload(import).await.unwrap();
    let import = attack.client.settled(&import, THEIRS).await.unwrap();
    assert_eq!(import["records"]["indexed"], json!(2), "{import}");

    // Nothing waits, and the other project is as it was.
    let admin = password("ingest");
    let admin = async_nats::ConnectOptions::with_user_and_password("ingest".into(), admin);
    let admin =
        admin.custom_inbox_prefix("_INBOX_ingest").connect(attack.system.stack.nats_url()).await.unwrap();
    let stream = jetstream::new(admin).get_stream_no_info(subjects::INGEST_STREAM).await.unwrap();
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
    assert_eq!(attack.file(THEIRS, &attack.victim).await.as_deref(), Some(SECRET.as_bytes()));
    let rows = attack.client.search(THEIRS, "sobrecosto del pilote").await.unwrap();
    assert_eq!(rows[0]["document_id"], json!(attack.victim));
    assert!(attack.client.search(OURS, "sobrecosto del pilote").await.unwrap().is_empty());
}
