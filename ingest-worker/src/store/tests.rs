//! Jobs that come again, in the role and behind the walls of the real worker.

use std::sync::LazyLock;

use devstack::{Options, Stack};
use schemas::{
    Metadata,
    ingest::{ObjectRef, Source},
    problem::Reason,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{
    import::{Record, Standing, begin, close, note, split},
    index::{Content, Passage, commit},
    start::{Start, start},
    *,
};

static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::start(Options::default()).unwrap());

async fn database(name: &'static str) -> PgPool {
    let url = tokio::task::spawn_blocking(move || STACK.database(name).unwrap()).await.unwrap();
    migrations::postgres(&PgPool::connect(&url).await.unwrap()).await.unwrap();
    let options: PgConnectOptions = url.parse().unwrap();
    PgPoolOptions::new().connect_with(options.options([("role", "acorag_ingest")])).await.unwrap()
}

fn job(document: &str, second: i64, source: Source) -> Job {
    let body = IngestDocument {
        source,
        metadata: Metadata::default(),
        filename: "a.txt".to_owned(),
        media_type: String::new(),
        parent: None,
        record_scope: None,
    };
    let at = DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap();
    Job::new("p".parse().unwrap(), document.parse().unwrap(), at, body)
}

fn text(document: &str, second: i64) -> Job {
    job(document, second, Source::Text("Losa".to_owned()))
}

fn revision(document: &str, second: i64, code: &str) -> Job {
    let mut job = text(document, second);
    job.body.metadata = Metadata { number: "PL-1".into(), revision: code.into(), ..Metadata::default() };
    job
}

fn import(second: i64) -> Job {
    job("import", second, Source::Object(ObjectRef { name: "o".into(), size: 1, sha256: "00".into() }))
}

fn record(document: &str, second: i64) -> Job {
    let mut job = text(document, second);
    job.body.parent =
        Some(Parent { project_id: "p".parse().unwrap(), document_id: "import".parse().unwrap(), index: 0 });
    job
}

async fn index(pool: &PgPool, job: &Job) {
    assert_eq!(start(pool, job).await.unwrap(), Start::Go);
    let mut vector = vec![0.0; 384];
    vector[0] = 1.0;
    let passage = Passage {
        page: None,
        page_last: None,
        heading: String::new(),
        language: "es",
        text: "Losa".to_owned(),
        terms: vec![("los".to_owned(), 1)],
        vector,
    };
    let content = Content { passages: vec![passage], text_length: 4, ..Content::default() };
    commit(pool, job, &content).await.unwrap().unwrap();
}

/// As `jobs::import` does it, up to the point where its worker dies.
async fn note_records(pool: &PgPool, job: &Job, names: &[&str]) {
    begin(pool, job).await.unwrap();
    let records: Vec<Record> = names
        .iter()
        .map(|name| Record { project: job.project.clone(), name: (*name).to_owned(), failure: None })
        .collect();
    note(pool, job, &records).await.unwrap();
}

async fn standing(pool: &PgPool, job: &Job, again: bool) -> Standing {
    close(pool, &job.project, &job.document, true, again).await.unwrap()
}

#[tokio::test]
async fn a_failure_that_comes_again_is_the_same_failure() {
    let pool = database("store_failure").await;
    let job = text("d", 0);
    assert_eq!(start(&pool, &job).await.unwrap(), Start::Go);
    let reason = Reason::new("damaged", "Está dañado.", "It is damaged.");
    fail::fail(&pool, &job, &reason).await.unwrap();
    // Its worker died before the dead letter was written.
    assert_eq!(start(&pool, &job).await.unwrap(), Start::Failed(reason));
    // Sent anew it is another job.
    assert_eq!(start(&pool, &text("d", 1)).await.unwrap(), Start::Go);
}

#[tokio::test]
async fn a_commit_that_comes_again_still_tells_whom_it_replaced() {
    let pool = database("store_replaced").await;
    index(&pool, &revision("a", 0, "A")).await;
    index(&pool, &revision("b", 1, "B")).await;
    let Start::Done { replaced, superseded, .. } = start(&pool, &revision("b", 1, "B")).await.unwrap() else {
        panic!("it is done")
    };
    assert_eq!((replaced, superseded), (vec!["a".parse().unwrap()], false));
    let Start::Done { replaced, superseded, .. } = start(&pool, &revision("a", 0, "A")).await.unwrap() else {
        panic!("it is done")
    };
    assert_eq!((replaced, superseded), (vec![], true));
}

#[tokio::test]
async fn an_import_cut_short_keeps_what_is_settled() {
    let pool = database("store_cut").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1", "r2"]).await;
    index(&pool, &record("r1", 1)).await;
    // Waiting for the queue counts as an end: the next attempt is the first again.
    super::start::ended(&pool, &import).await.unwrap();
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1", "r2"]).await;
    index(&pool, &record("r2", 2)).await;
    split(&pool, &import, "ndjson").await.unwrap();
    let finished = Standing::Finished { title: "a.txt".to_owned(), chunks: 2, text_length: 8 };
    assert_eq!(standing(&pool, &import, false).await, finished);
    assert_eq!(standing(&pool, &import, false).await, Standing::Closed);
    assert_eq!(standing(&pool, &import, true).await, finished, "whoever closed it may have told nobody");
}

#[tokio::test]
async fn an_import_sent_again_ends_although_its_records_are_indexed_already() {
    let pool = database("store_again").await;
    let first = import(0);
    assert_eq!(start(&pool, &first).await.unwrap(), Start::Go);
    note_records(&pool, &first, &["r1"]).await;
    index(&pool, &record("r1", 1)).await;

    let second = import(2);
    assert_eq!(start(&pool, &second).await.unwrap(), Start::Go);
    note_records(&pool, &second, &["r1"]).await;
    // The first one's worker is still at it.
    note_records(&pool, &first, &["r1", "r9"]).await;
    split(&pool, &second, "ndjson").await.unwrap();
    assert_eq!(standing(&pool, &second, false).await, Standing::Open { percent: 0 });
    assert!(matches!(start(&pool, &record("r1", 3)).await.unwrap(), Start::Done { .. }));
    assert!(matches!(standing(&pool, &second, false).await, Standing::Finished { .. }));
}
