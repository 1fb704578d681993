//! Many jobs of one project, or many chats of one caller, do not make others wait.

use std::time::Duration;

use async_nats::{HeaderMap, jetstream, jetstream::stream::Stream};
use e2e::{Client, Options, Random, System, Upload, prose};
use futures::TryStreamExt as _;
use reqwest::{Response, StatusCode};
use schemas::{
    headers,
    subjects::{self, JobKind},
};
use serde_json::{Value, json};

use crate::{
    fake_llm::{FakeLlm, MODEL},
    producers, shared, unique,
};

const PATIENCE: Duration = Duration::from_secs(240);

fn records(count: usize) -> Vec<u8> {
    let record = |number: usize| {
        let text = format!("Detalle constructivo del sector {number}, armadura y encofrado del nivel.");
        json!({"DocumentId": format!("r{number}"), "metadata": {"Title": format!("Plano {number}")}, "full_text": text})
            .to_string()
    };
    (0..count).map(record).collect::<Vec<_>>().join("\n").into_bytes()
}

/// Waits until `is_so` returns true; otherwise the test fails with `what`.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

pub async fn ingest(system: &System) -> (jetstream::Context, Stream<()>) {
    let context = jetstream::new(async_nats::connect(system.stack.nats_url()).await.unwrap());
    let stream = context.get_stream_no_info(subjects::INGEST_STREAM).await.unwrap();
    (context, stream)
}

/// Returns the number of jobs of a project in the stream, whichever consumer they are for.
pub async fn waiting(stream: &Stream<()>, project: &str) -> usize {
    let jobs = stream.info_with_subjects(format!("acorag.v1.ingest.*.{project}.*")).await.unwrap();
    jobs.try_fold(0, async |sum, (_, count)| Ok(sum + count)).await.unwrap()
}

async fn publish(context: &jetstream::Context, project: &str, document: &str, text: &str) {
    producers::publish(context, project, document, &json!({"text": text})).await;
}

async fn indexed_records(client: &Client, import: &str, project: &str) -> u64 {
    client.document(import, project).await.unwrap()["records"]["indexed"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn an_import_larger_than_the_queue_refuses_nobody_and_lets_others_by() {
    const RECORDS: usize = 500;
    // If the 500 records were not queued a window at a time, they would fill the queue of 250 jobs and keep
    // it full.
    let system = System::start(Options::default().env("MAX_QUEUED_JOBS", "250")).await.unwrap();
    let (client, (_, stream)) = (system.client().unwrap(), ingest(&system).await);
    let large = Upload::new("grande.ndjson", records(RECORDS), json!({"project_id": "grande"}));
    let large = client.upload(large).await.unwrap();
    until("the import begins", async || indexed_records(&client, &large, "grande").await >= 5).await;
    let total = client.document(&large, "grande").await.unwrap()["records"]["total"].clone();
    assert_eq!(total, json!(RECORDS), "how many there are is known before they are done");

    let single = Upload::new("nota.txt", "La grúa torre se desmonta.", json!({"project_id": "otro"}));
    client.index(single).await.unwrap();
    let small = Upload::new("pequena.ndjson", records(3), json!({"project_id": "otro"}));
    let small = client.upload(small).await.unwrap();
    assert_eq!(client.settled(&small, "otro").await.unwrap()["records"]["indexed"], json!(3));
    let (done, queued) = (indexed_records(&client, &large, "grande").await, waiting(&stream, "grande").await);
    assert!(done < RECORDS as u64 / 2, "{done} records of the large import were done before the small one");
    assert!(queued <= 160, "{queued} jobs of the large import are queued at once");

    let large = client.settled(&large, "grande").await.unwrap();
    assert_eq!(large["records"], json!({"total": RECORDS, "indexed": RECORDS, "failed": 0}));
}

#[tokio::test]
async fn an_import_goes_on_after_others_had_their_turn_and_after_its_worker_stopped() {
    const RECORDS: usize = 400;
    let options = Options::default().env("IMPORT_TURN_SECONDS", "1").env("IMPORT_SLOTS", "1");
    let mut system = System::start(options).await.unwrap();
    let (client, (_, stream)) = (system.client().unwrap(), ingest(&system).await);
    let large = Upload::new("grande.ndjson", records(RECORDS), json!({"project_id": "turnos"}));
    let large = client.upload(large).await.unwrap();
    until("the import begins", async || indexed_records(&client, &large, "turnos").await >= 5).await;
    // Although there is one slot for imports, the small import is indexed before the large one is done.
    let small = Upload::new("pequena.ndjson", records(2), json!({"project_id": "turnos-b"}));
    let small = client.upload(small).await.unwrap();
    assert_eq!(client.settled(&small, "turnos-b").await.unwrap()["state"], "indexed");
    assert_eq!(client.document(&large, "turnos").await.unwrap()["state"], "processing");

    system.ingest_workers[0].stop().unwrap();
    let import = subjects::job(JobKind::Import, &"turnos".parse().unwrap(), &large.parse().unwrap());
    let left = stream.get_last_raw_message_by_subject(&import).await.unwrap();
    let position: usize = left.headers.get(headers::POSITION).unwrap().as_str().parse().unwrap();
    assert!((1..RECORDS).contains(&position), "{position}");
    system.ingest_workers[0].restart().await.unwrap();
    let large = client.settled(&large, "turnos").await.unwrap();
    assert_eq!(large["records"], json!({"total": RECORDS, "indexed": RECORDS, "failed": 0}));
    let pool = sqlx::PgPool::connect(system.stack.database_url()).await.unwrap();
    let passages: i64 =
        sqlx::query_scalar("SELECT chunks FROM project WHERE id = 'turnos'").fetch_one(&pool).await.unwrap();
    assert_eq!(passages, RECORDS as i64);
}

#[tokio::test]
async fn a_deletion_that_takes_long_keeps_no_other_waiting() {
    let (client, system) = shared().await;
    let project = unique("bajas");
    let note = |name: &str| {
        let text = format!("La nota {name} fija la cota del muro.");
        Upload::new(&format!("{name}.txt"), text, json!({"project_id": project}))
    };
    let long = client.index(note("larga")).await.unwrap();
    let short = client.index(note("corta")).await.unwrap();
    let path = |id: &str| format!("/documents/{id}?project_id={project}");
    // The first deletion waits for this transaction.
    let pool = sqlx::PgPool::connect(system.stack.database_url()).await.unwrap();
    let mut held = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM document WHERE id = $1 FOR UPDATE")
        .bind(&long)
        .execute(&mut *held)
        .await
        .unwrap();
    let delete = async |id: &str| client.delete(&path(id)).await.unwrap().status();
    assert_eq!(delete(&long).await, StatusCode::ACCEPTED);
    assert_eq!(delete(&short).await, StatusCode::OK);
    held.rollback().await.unwrap();
    until("the first deletion is done", async || {
        client.get(&path(&long)).await.unwrap().status() == StatusCode::NOT_FOUND
    })
    .await;
}

#[tokio::test]
async fn of_two_records_with_one_id_the_last_one_counts() {
    const RECORDS: usize = 200;
    let (client, _) = shared().await;
    let project = unique("repetidos");
    let corrected = json!({"DocumentId": "r0", "full_text": "El muro pantalla mide 80 cm."}).to_string();
    let lines = [records(RECORDS), corrected.into_bytes()].join(&b'\n');
    let import = Upload::new("planos.ndjson", lines, json!({"project_id": project}));
    let import = client.index(import).await.unwrap();
    let document = client.document(&import, &project).await.unwrap();
    assert_eq!(document["records"], json!({"total": RECORDS, "indexed": RECORDS, "failed": 0}));
    let first = &client.search(&project, "muro pantalla").await.unwrap()[0];
    assert_eq!(first["document_id"], "r0");
    assert!(first["snippet"].as_str().unwrap().contains("80 cm"), "{first}");
}

#[tokio::test]
async fn a_flood_of_one_project_is_passed_by_the_few_documents_of_others() {
    const FLOOD: usize = 300;
    let mut system = System::start(Options::default()).await.unwrap();
    let (client, (context, stream)) = (system.client().unwrap(), ingest(&system).await);
    // Without a worker, all jobs are queued before the first is taken, so their order is certain.
    system.ingest_workers[0].kill().unwrap();
    let mut random = Random::new(7);
    for number in 0..FLOOD {
        let text = prose::paragraph(&mut random, 12);
        publish(&context, "diluvio", &format!("d{number}"), &text).await;
    }
    for number in 0..6 {
        publish(&context, "varios", &format!("v{number}"), &format!("Acta {number} del muro pantalla."))
            .await;
    }
    publish(&context, "uno", "u", "El replanteo del eje C se corrige en 12 mm.").await;
    system.ingest_workers[0].restart().await.unwrap();

    // The only job of project "uno" and the six jobs of "varios" are done long before the many jobs of
    // "diluvio".
    assert_eq!(client.settled("u", "uno").await.unwrap()["state"], "indexed");
    let left = waiting(&stream, "diluvio").await;
    assert!(left > FLOOD / 2, "only {left} jobs of the flood were left when the single one was done");
    for document in ["v0", "v1", "v2", "v3", "v4", "v5"] {
        assert_eq!(client.settled(document, "varios").await.unwrap()["state"], "indexed");
    }
    let left = waiting(&stream, "diluvio").await;
    assert!(left > FLOOD / 5, "only {left} jobs of the flood were left when the few were done");
    // A waiting document has the state `queued` and is in the list, also if its job was moved to another
    // consumer.
    let list = client.get("/documents?project_id=diluvio&state=queued&limit=200").await.unwrap();
    let list: Value = list.json().await.unwrap();
    let queued = list["documents"].as_array().unwrap();
    assert!(queued.len() > 50, "{}", queued.len());
    // The last one in the list: the worker may take any job that it has not moved yet.
    let last = queued[queued.len() - 1]["document_id"].as_str().unwrap();
    assert_eq!(client.document(last, "diluvio").await.unwrap()["state"], "queued");

    until("the flood is done", async || waiting(&stream, "diluvio").await == 0).await;
    let pool = sqlx::PgPool::connect(system.stack.database_url()).await.unwrap();
    let (documents, of_documents, of_project): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state = 'indexed'), sum(d.chunks)::bigint, p.chunks
         FROM document d JOIN project p ON p.key = d.project_key WHERE p.id = 'diluvio' GROUP BY p.chunks",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(documents, FLOOD as i64, "nothing is lost on the way between the lanes");
    assert_eq!(of_documents, of_project, "nothing is doubled");
}

#[tokio::test]
async fn a_job_that_changed_its_lane_keeps_its_place_among_the_jobs_of_its_document() {
    let (client, system) = shared().await;
    let (project, (context, stream)) = (unique("carriles"), ingest(system).await);
    let (of, document) = (project.parse().unwrap(), "d".parse().unwrap());
    publish(&context, &project, "d", "El muro pantalla mide 60 cm.").await;
    assert_eq!(client.settled("d", &project).await.unwrap()["state"], "indexed");
    let send = async |kind: JobKind, text: &str| {
        let mut map = HeaderMap::new();
        map.insert(headers::ORDERED_AT, "2020-01-01T00:00:00.000001+00:00");
        let (subject, job) = (subjects::job(kind, &of, &document), json!({"text": text}).to_string());
        context.publish_with_headers(subject, map, job.into()).await.unwrap().await.unwrap();
        until("it is settled", async || waiting(&stream, &project).await == 0).await;
        client.search(&project, "muro pantalla").await.unwrap()[0]["snippet"].as_str().unwrap().to_owned()
    };
    for kind in [JobKind::Batch, JobKind::Bulk, JobKind::Record, JobKind::Import] {
        let text = send(kind, "El muro pantalla mide 45 cm.").await;
        assert!(text.contains("60 cm"), "{kind:?}: it is older than what is indexed");
    }
    let text = send(JobKind::Document, "El muro pantalla mide 80 cm.").await;
    assert!(text.contains("80 cm"), "a producer's word about the time counts for nothing");
}

/// Returns the response of a streamed chat as soon as it begins. Until then, the fake model sends only one
/// more piece every 50 ms, so that the other open answers do not end.
async fn ask(client: &Client, llm: &FakeLlm) -> Response {
    let body =
        json!({"message": "¿Cuál es el ancho de la escalera?", "project_id": "charla", "stream": true});
    let mut answer = std::pin::pin!(client.post("/chat", &body));
    loop {
        match tokio::time::timeout(Duration::from_millis(50), &mut answer).await {
            Ok(answer) => return answer.unwrap(),
            Err(_) => llm.release(1),
        }
    }
}

#[tokio::test]
async fn one_caller_has_few_chats_at_a_time_and_others_have_theirs() {
    let pieces = [&["El ancho libre es de 1,40 m [1]. "][..], &["Es el de la escalera. "; 900]].concat();
    let llm = FakeLlm::start(&pieces).await;
    let options = Options::default().env("LLM_BASE_URL", &llm.base_url).env("LLM_MODEL", MODEL);
    let options = options.env("AUTH", "required").env("MAX_CALLER_CHATS", "2").env("LLM_TIMEOUT", "100");
    let system = System::start(options).await.unwrap();
    let key = || system.client_with_key(&["--role", "write", "--project", "charla"]).unwrap().1;
    let (one, other) = (key(), key());
    let text = "El ancho libre de la escalera de evacuación es de 1,40 m.";
    one.index(Upload::new("escalera.txt", text, json!({"project_id": "charla"}))).await.unwrap();

    // Both answers have begun, and stay open as long as the fake model is held.
    llm.hold();
    let (first, second) = (ask(&one, &llm).await, ask(&one, &llm).await);
    assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
    let refused = ask(&one, &llm).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    let body = refused.json::<Value>().await.unwrap();
    assert_eq!(body["error"], "Rate limit exceeded");
    assert!(body["detail"].as_str().unwrap().starts_with("Demasiadas solicitudes"), "{body}");
    assert_eq!(ask(&other, &llm).await.status(), StatusCode::OK);
    drop(first);
    until("a place is free again", async || ask(&one, &llm).await.status() == StatusCode::OK).await;
}
