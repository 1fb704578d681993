//! The embedding model is replaced by another one while clients search and upload: no search fails, and afterwards every
//! passage has a vector of the new model.

use std::{
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use e2e::{Options, System, Upload};
use serde_json::{Value, json};

use crate::rotation::traffic::Traffic;

const RECORDS: usize = 200;
const PROJECT: &str = "modelo";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_is_replaced_under_traffic() {
    let mut system = System::start(Options::default()).await.unwrap();
    let client = system.client().unwrap();
    let records: Vec<String> = (0..RECORDS)
        .map(|number| {
            json!({
                "DocumentId": format!("plano-{number}"),
                "metadata": {"Title": format!("Plano {number}")},
                "full_text": format!("Detalle constructivo del sector {number}, armadura y encofrado."),
            })
            .to_string()
        })
        .collect();
    let upload = Upload::new("planos.ndjson", records.join("\n"), json!({"project_id": PROJECT}));
    let import = client.upload(upload).await.unwrap();
    assert_eq!(client.settled(&import, PROJECT).await.unwrap()["state"], "indexed");

    let (mut query_worker, mut ingest_worker) =
        (system.query_workers.remove(0), system.ingest_workers.remove(0));
    let folder = tempfile::tempdir().unwrap();
    another_model(&system.stack.paths().model, folder.path());
    let operator = Operator { system: &system, model: folder.path().to_str().unwrap().to_owned() };
    // A worker with a model that the database does not know says what to do.
    assert!(operator.refused("acorag-query-worker", &[]).contains("acorag-ingest-worker model add"));
    assert!(operator.refused("acorag-ingest-worker", &["model", "fill"]).contains("model add"));
    assert_eq!(operator.run(&["model", "add"]), "added as number 2\n");
    assert_eq!(operator.run(&["model", "add"]), "the model is already there, as number 2\n");
    let (_, missing) = operator.missing(2);
    assert_eq!(missing, RECORDS);
    assert!(operator.refused("acorag-ingest-worker", &["model", "drop", "1"]).contains("answers"));
    let refusal = operator.refused("acorag-ingest-worker", &["model", "switch", "2"]);
    assert!(refusal.contains("nothing is changed"), "{refusal}");

    let traffic = Traffic::start(client.clone()).await;
    // Killed in the middle, it goes on from what is missing.
    let mut fill = operator.start(&["model", "fill", "--passages-per-second", "40"]);
    operator.wait_until("some are made", |missing| missing < RECORDS - 40);
    fill.kill().unwrap();
    fill.wait().unwrap();
    // What the clients uploaded in the meantime is missing as well.
    let (passages, missing) = operator.missing(2);
    assert!(missing > 0 && missing < passages - 40, "{missing} of {passages}");
    let mut fill = operator.start(&["model", "fill"]);
    operator.wait_until("few are missing", |missing| missing < 3);
    traffic.flows("with two models").await;

    // One query worker after the other gets the new model, then one ingest worker after the other.
    let changed = [("MODEL_DIR", operator.model.clone())];
    let new_query_worker = query_worker.successor(&changed).await.unwrap();
    traffic.flows("with a query worker of each model").await;
    query_worker.stop().unwrap();
    traffic.flows("with query workers of the new model").await;
    let new_ingest_worker = ingest_worker.successor(&changed).await.unwrap();
    ingest_worker.stop().unwrap();
    traffic.flows("with workers of the new model").await;
    assert_eq!(operator.run(&["model", "switch", "2"]), "model 2 answers now\n");
    fill.kill().unwrap();
    fill.wait().unwrap();
    traffic.flows("after the switch").await;
    assert_eq!(operator.run(&["model", "drop", "1"]), "model 1 is dropped\n");
    traffic.flows("without the old model").await;
    println!("{}", traffic.stop().await);

    let status = operator.run(&["model", "status"]);
    assert!(status.starts_with("2  other") && status.lines().count() == 1, "{status}");
    assert_eq!(operator.missing(2).1, 0);
    let query =
        json!({"query": "armadura y encofrado del sector 7", "project_id": PROJECT, "mode": "vector"});
    let found: Value = client.post("/search", &query).await.unwrap().json().await.unwrap();
    assert!(found.to_string().contains("Detalle constructivo del sector"), "{found}");
    drop((new_query_worker, new_ingest_worker));
}

/// Makes a model folder that differs in its name, and so in its digest.
fn another_model(of: &Path, folder: &Path) {
    for entry in std::fs::read_dir(of).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "model.json" {
            symlink(std::fs::canonicalize(entry.path()).unwrap(), folder.join(entry.file_name())).unwrap();
        }
    }
    let mut declaration: Value =
        serde_json::from_slice(&std::fs::read(of.join("model.json")).unwrap()).unwrap();
    declaration["name"] = "other".into();
    std::fs::write(folder.join("model.json"), declaration.to_string()).unwrap();
}

/// Runs programs with the other model.
struct Operator<'a> {
    system: &'a System,
    model: String,
}

impl Operator<'_> {
    fn prepared(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.system.prepared(program).unwrap();
        command.args(arguments).env("MODEL_DIR", &self.model).env("HEALTH_PORT", "0");
        command
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.prepared("acorag-ingest-worker", arguments).spawn().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.prepared("acorag-ingest-worker", arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a program that must fail, and returns what it says.
    fn refused(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.prepared(program, arguments).output().unwrap();
        assert!(!output.status.success(), "{program} {arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Returns the number of passages, and how many of them lack a vector of the model.
    fn missing(&self, number: u8) -> (usize, usize) {
        let status = self.run(&["model", "status"]);
        let line = status.lines().find(|line| line.starts_with(&format!("{number} "))).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "missing").unwrap();
        (words[at - 2].parse().unwrap(), words[at - 4].parse().unwrap())
    }

    fn wait_until(&self, what: &str, is: impl Fn(usize) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(180);
        while !is(self.missing(2).1) {
            assert!(Instant::now() < deadline, "not within three minutes: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
