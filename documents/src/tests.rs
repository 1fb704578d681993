//! Tests with the role and the row-level security of the real worker.

mod imports;
mod parents;
mod patience;
mod places;
mod repeated;
mod revisions;
mod storage;
mod together;

use std::{sync::LazyLock, time::Duration};

use analysis::Language;
use chrono::DateTime;
use devstack::{Options, Stack};
use schemas::{
    Fields, Metadata, Scope,
    ingest::{ObjectRef, Parent, Source},
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    commit::commit,
    import::{Record, Standing, begin, close, counted, note, settled},
    start::{Start, start},
    *,
};

static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::start(Options::default()).unwrap());

pub async fn database(name: &'static str) -> PgPool {
    let url = tokio::task::spawn_blocking(move || STACK.database(name).unwrap()).await.unwrap();
    migrations::postgres(&PgPool::connect(&url).await.unwrap()).await.unwrap();
    let options: PgConnectOptions = url.parse().unwrap();
    let pool = PgPoolOptions::new().connect_with(options.options([("role", "acorag_ingest")])).await.unwrap();
    assert_eq!(model::add(&pool, "test", "digest", DIMENSION).await.unwrap(), MODEL);
    pool
}

/// Connects as the owner of the tables, to whom row-level security does not apply.
pub async fn owner(pool: &PgPool) -> PgPool {
    let options = (*pool.connect_options()).clone().options([("role", "none")]);
    PgPool::connect_with(options).await.unwrap()
}

/// Returns as soon as this many transactions wait for others.
pub async fn awaited(pool: &PgPool, transactions: i64) {
    let waits = "SELECT count(*) >= $1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                 WHERE NOT l.granted AND a.datname = current_database()";
    let waits =
        async || sqlx::query_scalar::<_, bool>(waits).bind(transactions).fetch_one(pool).await.unwrap();
    let waiting = async { while !waits().await {} };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("nobody waits for it");
}

/// Ends the transaction as soon as another one waits for it.
pub async fn end_when_awaited(pool: &PgPool, tx: scope::Tx) {
    awaited(pool, 1).await;
    tx.commit().await.unwrap();
}

/// The model of every test's database.
pub const MODEL: i16 = 1;
const DIMENSION: usize = 384;

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

fn numbered(document: &str, second: i64, number: &str, code: &str) -> Job {
    let mut job = text(document, second);
    job.body.metadata.fields = Fields { number: number.into(), revision: code.into(), ..Fields::default() };
    job
}

fn revision(document: &str, second: i64, code: &str) -> Job {
    numbered(document, second, "PL-1", code)
}

fn import(second: i64) -> Job {
    job("import", second, Source::Object(stored()))
}

fn record(document: &str, second: i64) -> Job {
    let mut job = text(document, second);
    job.body.parent = Some(Parent {
        project_id: "p".parse().unwrap(),
        document_id: "import".parse().unwrap(),
        index: 0,
        depth: 1,
        accepted_at: None,
    });
    job
}

/// Like [`record`], for the import that was accepted at `second_of_import`.
fn record_of(second_of_import: i64, document: &str, second: i64) -> Job {
    let mut job = record(document, second);
    let accepted_at = Some(import(second_of_import).accepted_at);
    job.body.parent = job.body.parent.map(|parent| Parent { accepted_at, ..parent });
    job
}

fn stored() -> ObjectRef {
    ObjectRef { name: "o".into(), size: 1, sha256: "00".into() }
}

/// Indexes a document of one passage.
pub async fn index_document(pool: &PgPool, document: &str) {
    index(pool, &text(document, 0)).await;
}

/// The documents that are to be indexed again.
fn names(revived: &[Revived]) -> Vec<&str> {
    revived.iter().map(|revived| revived.document.as_str()).collect()
}

/// Starts a job that is done, and returns what its commit changed.
async fn done(pool: &PgPool, job: &Job) -> Committed {
    let Start::Done(committed) = start(pool, job).await.unwrap() else { panic!("it is not done") };
    committed
}

async fn index(pool: &PgPool, job: &Job) {
    assert_eq!(start(pool, job).await.unwrap(), Start::Go);
    let content = Content { passages: vec![passage()], text_length: 4, ..nothing(job) };
    commit(pool, job, &content).await.unwrap().unwrap();
}

fn passage() -> Passage {
    let mut vector = vec![0.0; 384];
    vector[0] = 1.0;
    Passage {
        page: None,
        page_last: None,
        heading: String::new(),
        language: Language::Spanish,
        text: "Losa".to_owned(),
        vector,
        sentences: vec![1, 2, 3],
    }
}

/// The content of an empty document.
fn nothing(job: &Job) -> Content {
    Content {
        fields: job.fields(),
        date: None,
        media_type: String::new(),
        file_type: String::new(),
        object: job.object(),
        pages: 0,
        text_length: 0,
        model: MODEL,
        passages: Vec::new(),
    }
}

/// The records of a file, in their order.
fn records(names: &[&str]) -> Vec<Record> {
    let placed = (1..).zip(names);
    placed
        .map(|(place, name)| Record {
            project: "p".parse().unwrap(),
            name: (*name).to_owned(),
            place,
            failure: None,
        })
        .collect()
}

/// Notes records as `jobs::import` of the ingest worker does, up to the point where the worker dies.
async fn note_records(pool: &PgPool, job: &Job, names: &[&str]) {
    begin(pool, job).await.unwrap();
    note(pool, job, &records(names)).await.unwrap();
}

async fn standing(pool: &PgPool, job: &Job, again: bool) -> Standing {
    close(pool, &job.project, &job.document, &[0], again).await.unwrap()
}

async fn state(pool: &PgPool, document: &str) -> (String, i32) {
    let mut tx = scope::begin(pool, &Scope::All).await.unwrap();
    sqlx::query_as("SELECT state, chunks FROM document WHERE id = $1")
        .bind(document)
        .fetch_one(&mut *tx)
        .await
        .unwrap()
}

async fn states(pool: &PgPool, documents: &[&str]) -> Vec<String> {
    let mut states = Vec::new();
    for document in documents {
        states.push(state(pool, document).await.0);
    }
    states
}

fn damaged() -> schemas::problem::Reason {
    schemas::messages::jobs::internal().reason("damaged")
}

async fn fail(pool: &PgPool, job: &Job) -> Option<Vec<Revived>> {
    fail::fail(pool, job, &damaged(), true).await.unwrap()
}

async fn delete(pool: &PgPool, document: &str, second: i64) -> delete::Deleted {
    let job = text(document, second);
    let deletion = delete::delete(pool, &job.project, &job.document, job.accepted_at).await.unwrap();
    let (mut deletion, mut all) = (deletion.unwrap(), delete::Deleted::default());
    while let Some(deleted) = deletion.next(pool).await.unwrap() {
        all.objects.extend(deleted.objects);
        all.documents.extend(deleted.documents);
        all.revived.extend(deleted.revived);
    }
    all
}
