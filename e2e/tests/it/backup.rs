//! Everything is backed up, destroyed, and restored into an empty place: nothing is missing, and nothing comes back
//! that was deleted.

mod vault;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use async_nats::jetstream;
use devstack::Stack;
use e2e::{Client, Options, System, Upload};
use futures::StreamExt as _;
use reqwest::StatusCode;
use schemas::subjects::{self, JobKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgPool};

use self::vault::{Vault, expect, refuses, succeeds};
use crate::sample;

const PROJECT: &str = "torre-norte";

/// Every table with its rows' number and a hash of all they hold.
async fn tables(url: &str) -> BTreeMap<String, (i64, String)> {
    let pool = PgPool::connect(url).await.unwrap();
    let names: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            .fetch_all(&pool)
            .await
            .unwrap();
    let mut tables = BTreeMap::new();
    for name in names {
        let sql = format!(
            "SELECT count(*), coalesce(md5(string_agg(t::text, E'\\n' ORDER BY t::text)), '') FROM \"{name}\" t"
        );
        tables.insert(name, sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap());
    }
    pool.close().await;
    tables
}

/// The files of all documents, as the api gives them out.
async fn files(client: &Client, url: &str) -> BTreeMap<String, String> {
    let pool = PgPool::connect(url).await.unwrap();
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM document WHERE object <> '' AND state <> 'deleted'")
            .fetch_all(&pool)
            .await
            .unwrap();
    pool.close().await;
    let mut files = BTreeMap::new();
    for id in ids {
        let answer = client.get(&format!("/document/{id}/file")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "the file of {id}");
        let hash = Sha256::digest(answer.bytes().await.unwrap());
        files.insert(id, hash.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    files
}

async fn messages(nats_url: &str, stream: &str) -> u64 {
    let nats = jetstream::new(async_nats::connect(nats_url).await.unwrap());
    nats.get_stream(stream).await.unwrap().cached_info().state.messages
}

/// How many files the object store holds.
async fn objects(stack: &Stack) -> usize {
    let nats = jetstream::new(async_nats::connect(stack.nats_url()).await.unwrap());
    let store = nats.get_object_store(subjects::FILES_BUCKET).await.unwrap();
    store.list().await.unwrap().count().await
}

fn note(name: &str) -> Upload {
    let text = format!("La nota {name} fija la cota de coronación del muro perimetral.");
    Upload::new(&format!("{name}.txt"), text, json!({"project_id": PROJECT, "title": name}))
}

async fn ask(client: &Client, question: &str) {
    let body =
        json!({"message": question, "conversation_id": "conv_7", "user_id": "ana", "project_id": PROJECT});
    let answer = client.post("/chat", &body).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Samples of every format, a deletion, a key, a conversation, feedback, and a job that nobody can do.
async fn fill(system: &System, client: &Client) {
    let manifest: Value = serde_json::from_slice(&sample("../manifest.json")).unwrap();
    let uploads = manifest.as_array().unwrap().iter().map(|entry| async {
        let file = entry["file"].as_str().unwrap();
        let id = client.upload(Upload::new(file, sample(file), entry["metadata"].clone())).await.unwrap();
        let document = client.settled(&id, PROJECT).await.unwrap();
        assert_eq!(document["state"], "indexed", "{document}");
    });
    futures::future::join_all(uploads).await;
    let unwanted = client.index(note("descartada")).await.unwrap();
    delete(client, &unwanted).await;
    ask(client, "¿Qué espesor tiene la losa del primer piso?").await;
    let feedback = json!({"session_id": "conv_7", "rating": 5, "comment": "Clara."});
    assert!(client.post("/feedback", &feedback).await.unwrap().status().is_success());
    let account = json!({"email": "ana@obra.cl", "password": "una clave larga", "full_name": "Ana Rojas"});
    assert_eq!(client.post("/auth/register", &account).await.unwrap().status(), StatusCode::CREATED);
    let key = ["keys", "create", "--name", "erp", "--role", "write", "--project", PROJECT];
    system.command("acorag-query-worker", &key).unwrap();
    let nats = jetstream::new(async_nats::connect(system.stack.nats_url()).await.unwrap());
    let subject = subjects::job(JobKind::Document, &PROJECT.parse().unwrap(), &"roto".parse().unwrap());
    let job = json!({"text": "Contrabando.", "metadata": {"project_id": "otro"}}).to_string();
    nats.publish(subject, job.into()).await.unwrap().await.unwrap();
    assert_eq!(client.settled("roto", PROJECT).await.unwrap()["state"], "failed");
    let deadline = Instant::now() + Duration::from_secs(120);
    while messages(system.stack.nats_url(), subjects::DEAD_LETTERS_STREAM).await != 1 {
        assert!(Instant::now() < deadline, "no dead letter");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn delete(client: &Client, id: &str) {
    let path = format!("/documents/{id}?project_id={PROJECT}");
    assert_eq!(client.delete(&path).await.unwrap().status(), StatusCode::OK);
    let deadline = Instant::now() + Duration::from_secs(120);
    while client.get(&path).await.unwrap().status() != StatusCode::NOT_FOUND {
        assert!(Instant::now() < deadline, "{id} is not deleted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A moment with nothing under way, and what the database holds then.
async fn quiet_moment(url: &str) -> (String, BTreeMap<String, (i64, String)>) {
    let pool = PgPool::connect(url).await.unwrap();
    let mut before = tables(url).await;
    loop {
        let moment = sqlx::query_scalar(
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let after = tables(url).await;
        if after == before {
            return (moment, after);
        }
        before = after;
    }
}

/// What `archive_timeout` does on a server that is in use.
async fn archive_the_rest(url: &str) {
    let pool = PgPool::connect(url).await.unwrap();
    let last: String =
        sqlx::query_scalar("SELECT pg_walfile_name(pg_switch_wal())").fetch_one(&pool).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let archived: Option<String> = sqlx::query_scalar("SELECT last_archived_wal FROM pg_stat_archiver")
            .fetch_one(&pool)
            .await
            .unwrap();
        if archived.is_some_and(|archived| archived >= last) {
            return;
        }
        assert!(Instant::now() < deadline, "{last} is not archived");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_after_a_disaster() {
    let stack =
        tokio::task::spawn_blocking(|| Stack::start(devstack::Options::default())).await.unwrap().unwrap();
    let vault = Vault::new(stack.paths());
    vault.archive_from(&stack).await;
    let mut system =
        System::on(stack, Options::default().durable().env("REGISTRATION", "open")).await.unwrap();
    let client = system.client().unwrap();
    let url = system.stack.database_url().to_owned();
    let password = url.split([':', '@']).nth(2).unwrap().to_owned();
    let pool = PgPool::connect(&url).await.unwrap();
    for sql in [
        "ALTER ROLE acorag_backup LOGIN REPLICATION PASSWORD 'secret!'",
        "GRANT EXECUTE ON FUNCTION pg_switch_wal() TO acorag_backup",
    ] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    pool.close().await;

    // A full backup while two jobs wait. Afterwards both are done, and one of their documents is deleted.
    fill(&system, &client).await;
    system.ingest_workers[0].kill().unwrap();
    let done = client.upload(note("hecha")).await.unwrap();
    let deleted = client.upload(note("borrada")).await.unwrap();
    succeeds(vault.back_up(&system, &[]));
    interrupted(&vault, vault.back_up(&system, &[]));
    files_meanwhile(&vault, &system);
    system.ingest_workers[0].restart().await.unwrap();
    for id in [&done, &deleted] {
        assert_eq!(client.settled(id, PROJECT).await.unwrap()["state"], "indexed");
    }
    delete(&client, &deleted).await;
    let (moment, tables_then) = quiet_moment(&url).await;

    // More documents, a job that waits for ever, a backup of files and queue only, and what only the log knows.
    client.index(note("posterior")).await.unwrap();
    system.ingest_workers[0].kill().unwrap();
    let waiting = client.upload(note("en-cola")).await.unwrap();
    succeeds(vault.back_up(&system, &["--files"]));
    succeeds(vault.run(&["verify"]).env("DATABASE_URL", &url));
    ask(&client, "¿Y la cota de coronación?").await;
    let (_, tables_before) = quiet_moment(&url).await;
    archive_the_rest(&url).await;
    let files_before = files(&client, &url).await;
    let history = client.get("/history/conv_7").await.unwrap().text().await.unwrap();
    assert!(history.contains("coronación"), "{history}");
    let dead = messages(system.stack.nats_url(), subjects::DEAD_LETTERS_STREAM).await;
    assert_eq!(dead, 1);
    assert!(tables_before["backup_run"].0 >= 6, "{tables_before:?}");

    // NATS alone is lost; the database goes on.
    let place = vault.place("nats", &password);
    expect(&vault.restore_beside(&url, &place, &["--keep-database"]).await);
    let stack = place.start_beside(&url).await;
    assert_eq!(tables(&url).await, tables_before);
    assert_eq!(messages(stack.nats_url(), subjects::INGEST_STREAM).await, 1, "one job waited");
    assert_eq!(messages(stack.nats_url(), subjects::DEAD_LETTERS_STREAM).await, dead);
    assert_eq!(objects(&stack).await, files_before.len() + 1, "that job's, too");
    drop(stack);
    drop(system);
    refusals(&vault, &password).await;

    // To the end.
    let disaster = Instant::now();
    let place = vault.place("restored", &password);
    expect(&vault.restore(&place, &[]).await);
    let restored = disaster.elapsed();
    let stack = place.start().await;
    assert_eq!(tables(stack.database_url()).await, tables_before);
    assert_eq!(messages(stack.nats_url(), subjects::INGEST_STREAM).await, 1, "one job waited");
    assert_eq!(messages(stack.nats_url(), subjects::DEAD_LETTERS_STREAM).await, dead);
    let mut system = System::on(stack, Options::default()).await.unwrap();
    let client = system.client().unwrap();
    let rows = client.search(PROJECT, "losa del primer piso").await.unwrap();
    assert!(!rows.is_empty());
    println!(
        "{} documents and {} files: {:.1} s until they are restored, {:.1} s until they answer; every commit up to the \
         last archived segment is there",
        tables_before["document"].0,
        files_before.len(),
        restored.as_secs_f32(),
        disaster.elapsed().as_secs_f32()
    );
    assert_eq!(client.settled(&waiting, PROJECT).await.unwrap()["state"], "indexed");
    let url = system.stack.database_url().to_owned();
    let mut files_after = files(&client, &url).await;
    assert!(files_after.remove(&waiting).is_some());
    assert_eq!(files_after, files_before);
    assert_eq!(client.get("/history/conv_7").await.unwrap().text().await.unwrap(), history);
    let login = json!({"email": "ana@obra.cl", "password": "una clave larga"});
    assert_eq!(client.post("/auth/login", &login).await.unwrap().status(), StatusCode::OK);
    let path = format!("/documents/{deleted}?project_id={PROJECT}");
    assert_eq!(client.get(&path).await.unwrap().status(), StatusCode::NOT_FOUND, "it was deleted");

    // The database alone is lost, before there is a full backup of its new timeline; NATS keeps what it has.
    system.ingest_workers[0].kill().unwrap();
    client.upload(note("sin-base")).await.unwrap();
    let (_, tables_before) = quiet_moment(&url).await;
    archive_the_rest(&url).await;
    drop(system);
    fs::remove_dir_all(&place.pgdata).unwrap();
    vault.make("restored/postgres");
    expect(&vault.restore(&place, &["--keep-nats"]).await);
    let stack = place.start().await;
    assert_eq!(tables(stack.database_url()).await, tables_before);
    assert_eq!(messages(stack.nats_url(), subjects::INGEST_STREAM).await, 1, "it still waits");
    drop(stack);

    // To a moment: neither more nor less than there was.
    let place = vault.place("earlier", &password);
    expect(&vault.restore(&place, &["--to", &moment]).await);
    let stack = place.start().await;
    assert_eq!(tables(stack.database_url()).await, tables_then);
    assert_eq!(messages(stack.nats_url(), subjects::INGEST_STREAM).await, 0, "both jobs were done by then");
    assert_eq!(objects(&stack).await, files_before.len() - 1, "one file came later");
    drop(stack);
    refuses(&vault.restore(&place, &[]).await, "NATS is not empty");
}

/// Ctrl-C while the database streams: it ends at once, and nothing of it counts.
fn interrupted(vault: &Vault, command: Command) {
    let before = vault.sets();
    let mut process = streaming(vault, command);
    signal(&process, "-INT");
    assert_eq!(process.wait().unwrap().code(), Some(130));
    assert_eq!(vault.sets(), before);
}

/// While the database streams, for hours perhaps, files and queue go on being backed up; a second full backup is refused.
fn files_meanwhile(vault: &Vault, system: &System) {
    let before = vault.sets();
    let mut full = streaming(vault, vault.back_up(system, &[]));
    signal(&full, "-STOP");
    succeeds(vault.back_up(system, &["--files"]));
    assert_eq!(vault.sets(), before + 1);
    refuses(&vault.back_up(system, &[]).output().unwrap(), "another full backup is running");
    signal(&full, "-CONT");
    assert!(full.wait().unwrap().success());
    assert_eq!(vault.sets(), before + 2);
}

/// Starts a full backup, and returns while the database streams.
fn streaming(vault: &Vault, mut command: Command) -> Child {
    let sets = vault.path("backups/sets");
    let unfinished = || -> Vec<PathBuf> {
        let sets = fs::read_dir(&sets).unwrap().map(|set| set.unwrap().path());
        sets.filter(|set| !set.join("set.json").exists()).collect()
    };
    let left_over = unfinished();
    let mut process = command.stderr(Stdio::null()).spawn().unwrap();
    let begun = |set: &PathBuf| !left_over.contains(set) && set.read_dir().unwrap().next().is_some();
    while !unfinished().iter().any(begun) {
        assert!(process.try_wait().unwrap().is_none(), "it ended before it was seen to begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    process
}

fn signal(process: &Child, signal: &str) {
    succeeds(Command::new("kill").args([signal, &process.id().to_string()]));
}

/// What is damaged, incomplete or in the way is refused, and says why.
async fn refusals(vault: &Vault, password: &str) {
    let place = vault.place("refused", password);
    refuses(&vault.restore(&place, &["--to", "2020-01-01T00:00:00Z"]).await, "the oldest full backup is of");
    fs::write(place.pgdata.join("something"), "").unwrap();
    refuses(&vault.restore(&place, &[]).await, "is not empty");
    fs::remove_file(place.pgdata.join("something")).unwrap();

    let log = newest_segment(&vault.path("backups/wal"));
    let whole = fs::read(&log).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&log, damaged).unwrap();
    refuses(&vault.run(&["verify"]).output().unwrap(), "is damaged");
    refuses(&vault.restore(&place, &[]).await, "PostgreSQL ended while it recovered");
    fs::write(&log, whole).unwrap();
    let segment = log.with_extension("").file_name().unwrap().to_str().unwrap().to_owned();
    let (older, missing) = (log.with_file_name("kept"), predecessor(&log));
    fs::rename(&missing, &older).unwrap();
    refuses(&vault.run(&["verify"]).output().unwrap(), "is missing in the archive");
    fs::rename(&older, &missing).unwrap();
    succeeds(vault.run(&["fetch-wal", &segment, vault.path("tmp/segment").to_str().unwrap()]));

    let other = vault.path("keys/other");
    succeeds(vault.run(&["keygen", other.to_str().unwrap()]));
    let output = vault.run(&["verify"]).env("BACKUP_IDENTITY", &other).output().unwrap();
    refuses(&output, "is encrypted to another key");
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut segments: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "age"))
        .filter(|path| path.file_stem().unwrap().len() == 24)
        .collect();
    segments.sort();
    segments
}

fn newest_segment(folder: &Path) -> PathBuf {
    segments(folder).pop().unwrap()
}

fn predecessor(segment: &Path) -> PathBuf {
    segments(segment.parent().unwrap()).into_iter().rev().nth(1).unwrap()
}
