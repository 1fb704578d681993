//! A process ends exactly at a crash point (`platform::crash`) and is started again. Then clients find each
//! document indexed once: none is lost, duplicated or stuck, no unneeded file is left, and no cached answer
//! is older than a commit.

mod after;
mod jobs;
mod uploads;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, consumer};
use e2e::{Client, Options, Service, System, Upload};
use schemas::subjects;
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

/// The `ack_wait` of the consumers in this test: how long after a worker's death its job is delivered again.
/// The real consumers wait for 30 seconds.
const ACK_WAIT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(240);

struct Crashes {
    system: System,
    client: Client,
    jetstream: jetstream::Context,
    pool: PgPool,
    /// A file `POINT@SUBJECT` in this folder arms a crash point.
    armed: TempDir,
}

#[tokio::test]
async fn a_process_may_end_at_any_point() {
    let mut crashes = Crashes::prepare().await;
    crashes.a_cached_answer_is_not_older_than_a_commit().await;
    crashes.a_record_that_is_deleted_leaves_no_mark().await;
    let cases = crashes.begin_jobs().await;
    crashes.restart_workers(cases.len()).await;
    crashes.uploads_that_the_api_did_not_answer().await;
    crashes.jobs_are_done(cases).await;
    crashes.files_are_swept().await;
    crashes.nothing_is_doubled().await;
}

impl Crashes {
    async fn prepare() -> Self {
        let armed = tempfile::tempdir().unwrap();
        let folder = armed.path().to_str().unwrap();
        // Two workers, so that one works while the other starts again. Each works on one job of a kind at a
        // time, so that a crash interrupts few other jobs.
        let options = Options { ingest_workers: 2, ..Options::default() };
        let options = options.env("INGEST_SLOTS", "1").env("RECORD_SLOTS", "1").env("EMBED_THREADS", "1");
        let options = options.env("IMPORT_SLOTS", "1").env("BATCH_SLOTS", "1");
        let system = System::start(options.env("CRASH_POINTS", folder)).await.unwrap();
        let jetstream = jetstream::new(async_nats::connect(system.stack.nats_url()).await.unwrap());
        let stream = jetstream.get_stream(subjects::INGEST_STREAM).await.unwrap();
        for kind in subjects::JobKind::ALL {
            let name = subjects::ingest_consumer(kind);
            let mut config =
                stream.get_consumer::<consumer::Config>(&name).await.unwrap().cached_info().config.clone();
            config.ack_wait = ACK_WAIT;
            stream.create_consumer(config).await.unwrap();
        }
        let client = system.client().unwrap();
        let pool = PgPool::connect(system.stack.database_url()).await.unwrap();
        Self { system, client, jetstream, pool, armed }
    }

    fn arm(&self, point: &str, subject: &str) {
        std::fs::write(self.armed.path().join(format!("{point}@{subject}")), "").unwrap();
    }

    /// The armed crash points at which no process has ended yet.
    fn armed(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.armed.path()).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Waits until a process has ended at each armed crash point.
    async fn all_are_reached(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.armed().is_empty() {
            assert!(Instant::now() < deadline, "nobody came to {:?}", self.armed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Restarts each worker that ends, until `deaths` workers have ended: each armed crash point ends one.
    async fn restart_workers(&mut self, mut deaths: usize) {
        let deadline = Instant::now() + PATIENCE;
        while deaths > 0 {
            for worker in &mut self.system.ingest_workers {
                if !worker.is_running() {
                    worker.start_again().unwrap();
                    deaths = deaths.saturating_sub(1);
                }
            }
            assert!(Instant::now() < deadline, "nobody came to {:?}", self.armed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(self.armed(), Vec::<String>::new());
    }

    async fn a_cached_answer_is_not_older_than_a_commit(&mut self) {
        let (project, text) = ("before-generation", "El radier lleva una malla electrosoldada.");
        for _ in 0..2 {
            assert!(self.client.search(project, text).await.unwrap().is_empty(), "and this answer is cached");
        }
        self.arm("before-generation", project);
        let id = self.client.upload(note(project, text)).await.unwrap();
        self.all_are_reached().await;
        assert_eq!(self.client.search(project, text).await.unwrap().len(), 1, "the commit is done");
        self.restart_workers(1).await;
        assert_eq!(self.client.settled(&id, project).await.unwrap()["state"], "indexed");
        assert_eq!(self.client.search(project, text).await.unwrap().len(), 1);
    }
}

fn note(project: &str, text: &str) -> Upload {
    Upload::new("nota.txt", text, json!({"project_id": project}))
}

/// Waits until the process of this service has ended by itself.
async fn ended(service: &mut Service) {
    let deadline = Instant::now() + PATIENCE;
    while service.is_running() {
        assert!(Instant::now() < deadline, "it does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Returns the indexed documents of a project, as the list of documents shows them.
async fn indexed(client: &Client, project: &str) -> Vec<Value> {
    let list = client.get(&format!("/documents?project_id={project}&limit=200")).await.unwrap();
    let list = list.json::<Value>().await.unwrap();
    let documents = list["documents"].as_array().unwrap().clone();
    documents.into_iter().filter(|document| document["state"] == "indexed").collect()
}

/// Every crash point in the sources is armed by a test, and ARCHITECTURE.md describes what follows a crash
/// there.
#[test]
fn each_crash_point_is_tested_and_described() {
    fn sources(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path, all),
                false => all.push_str(&std::fs::read_to_string(path).unwrap()),
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut code, mut tests) = (String::new(), include_str!("crashes.rs").to_owned());
    ["api/src", "documents/src", "ingest-worker/src", "platform/src"]
        .iter()
        .for_each(|folder| sources(&root.join(folder), &mut code));
    sources(&root.join("e2e/tests/it/crashes"), &mut tests);
    let architecture = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let points: Vec<&str> =
        code.split("crash::point(").skip(1).filter_map(|call| call.split('"').nth(1)).collect();
    assert!(points.len() > 15, "{points:?}");
    for point in points {
        assert!(tests.contains(&format!("\"{point}\"")), "no test ends a process at {point}");
        assert!(architecture.contains(&format!("`{point}`")), "ARCHITECTURE.md does not describe {point}");
    }
}
