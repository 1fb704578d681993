//! Tests of repeated jobs, with the role and the row-level security of the real worker.

use std::sync::LazyLock;

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

/// The model of every test's database.
pub const MODEL: i16 = 1;
const DIMENSION: usize = 384;

/// A search whose time is over stops waiting, also for a transaction that is just beginning.
#[tokio::test]
async fn a_transaction_whose_caller_stops_waiting_is_not_left_open() {
    let pool = database("abandoned").await;
    let one = PgPoolOptions::new()
        .max_connections(1)
        .connect_with((*pool.connect_options()).clone())
        .await
        .unwrap();
    let time = std::time::Duration::from_secs(10);
    for turns in 0..60 {
        let waiting = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            begun = scope::begin_reading(&one, scope::INGEST, &Scope::All, time) => drop(begun.unwrap()),
            () = waiting => {}
        }
        let mut tx = scope::begin_reading(&one, scope::INGEST, &Scope::All, time).await.unwrap();
        scope::projects(&mut tx).await.unwrap();
    }
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
    job.body.metadata = Fields { number: "PL-1".into(), revision: code.into(), ..Fields::default() }.into();
    job
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

async fn index(pool: &PgPool, job: &Job) {
    assert_eq!(start(pool, job).await.unwrap(), Start::Go);
    let mut vector = vec![0.0; 384];
    vector[0] = 1.0;
    let passage = Passage {
        page: None,
        page_last: None,
        heading: String::new(),
        language: Language::Spanish,
        text: "Losa".to_owned(),
        vector,
        sentences: vec![1, 2, 3],
    };
    let content = Content { passages: vec![passage], text_length: 4, ..nothing(job) };
    commit(pool, job, &content).await.unwrap().unwrap();
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

/// Notes records as `jobs::import` of the ingest worker does, up to the point where the worker dies.
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
    let reason = schemas::messages::jobs::internal().reason("damaged");
    fail::fail(&pool, &job, &reason).await.unwrap();
    // The job comes again, as if its worker had died before the dead letter was written.
    assert_eq!(start(&pool, &job).await.unwrap(), Start::Failed(reason));
    // The document is sent again: this is another job.
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
async fn a_commit_that_comes_again_still_tells_which_revision_answers_again() {
    let pool = database("store_renumbered").await;
    index(&pool, &revision("a", 0, "A")).await;
    index(&pool, &revision("b", 1, "B")).await;
    let mut renumbered = revision("b", 2, "B");
    renumbered.body.metadata.fields.number = "PL-2".into();
    index(&pool, &renumbered).await;
    // The job comes again, as if its worker had died before it queued the revision `a`.
    let Start::Done { revived, .. } = start(&pool, &renumbered).await.unwrap() else { panic!("it is done") };
    assert_eq!(revived.unwrap().document.as_str(), "a");
    index(&pool, &revision("a", 3, "A")).await;
    let Start::Done { revived, .. } = start(&pool, &renumbered).await.unwrap() else { panic!("it is done") };
    assert_eq!(revived, None, "it answers again");
}

#[tokio::test]
async fn a_deletion_that_comes_again_leaves_the_same_to_do() {
    let pool = database("store_deleted_twice").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["newer"]).await;
    counted(&pool, &import, &stored(), "ndjson").await.unwrap();
    index(&pool, &revision("older", 1, "A")).await;
    let mut newer = record("newer", 2);
    newer.body.metadata = revision("newer", 2, "B").body.metadata;
    newer.body.source = Source::Object(stored());
    index(&pool, &newer).await;
    for attempt in ["first", "second"] {
        let deleted = delete(&pool, "import", 9).await;
        assert_eq!(deleted.parts, ["newer".parse().unwrap()], "{attempt}");
        assert_eq!(deleted.revived.len(), 1, "{attempt}");
        assert_eq!(deleted.revived[0].document.as_str(), "older", "{attempt}");
        assert_eq!(deleted.objects, ["o", "o"], "{attempt}");
    }
}

#[tokio::test]
async fn the_vectors_of_sentences_come_and_go_with_their_passage() {
    let pool = database("store_sentences").await;
    let stored = async || -> Vec<Vec<u8>> {
        let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
        sqlx::query_scalar("SELECT data FROM sentence").fetch_all(&mut *tx).await.unwrap()
    };
    index(&pool, &revision("a", 0, "0")).await;
    index(&pool, &revision("b", 1, "1")).await;
    // Only the current revision has passages.
    assert_eq!(stored().await, [[1, 2, 3]]);
    delete(&pool, "b", 2).await;
    assert_eq!(stored().await, Vec::<Vec<u8>>::new());
}

#[tokio::test]
async fn an_import_cut_short_keeps_what_is_settled() {
    let pool = database("store_cut").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1", "r2"]).await;
    index(&pool, &record("r1", 1)).await;
    // The attempt ended without killing its worker, so the next attempt counts as the first.
    super::start::ended(&pool, &import).await.unwrap();
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1", "r2"]).await;
    let done = settled(&pool, &import, &["r1", "r2", "r3"]).await.unwrap().unwrap();
    assert_eq!(done.into_iter().collect::<Vec<_>>(), [("p".to_owned(), "r1".to_owned())]);
    index(&pool, &record("r2", 2)).await;
    counted(&pool, &import, &stored(), "ndjson").await.unwrap();
    let finished = Standing::Finished { title: "a.txt".to_owned(), chunks: 2, text_length: 8 };
    assert_eq!(standing(&pool, &import, false).await, finished);
    assert_eq!(standing(&pool, &import, false).await, Standing::Closed);
    assert_eq!(standing(&pool, &import, true).await, finished, "whoever closed it may have told nobody");
    // An attempt that ran in parallel with the one that closed the import changes nothing.
    begin(&pool, &import).await.unwrap();
    assert!(!note(&pool, &import, &[]).await.unwrap());
    assert!(settled(&pool, &import, &["r1"]).await.unwrap().is_none(), "it is not under way");
    let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
    let records: Option<i32> = sqlx::query_scalar("SELECT records FROM document WHERE id = 'import'")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(records, Some(2));
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
    // The worker of the first import is still running. What it notes must not change the second import.
    note_records(&pool, &first, &["r1", "r9"]).await;
    counted(&pool, &second, &stored(), "ndjson").await.unwrap();
    assert_eq!(standing(&pool, &second, false).await, Standing::Open { percent: 0 });
    assert!(matches!(start(&pool, &record("r1", 3)).await.unwrap(), Start::Done { .. }));
    assert!(matches!(standing(&pool, &second, false).await, Standing::Finished { .. }));
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

async fn delete(pool: &PgPool, document: &str, second: i64) -> delete::Deleted {
    let job = text(document, second);
    delete::delete(pool, &job.project, &job.document, job.accepted_at).await.unwrap().unwrap()
}

#[tokio::test]
async fn only_a_number_makes_revisions() {
    let pool = database("store_numbers").await;
    let numbered = |document: &str, second, number: &str| {
        let mut job = revision(document, second, "");
        job.body.metadata.fields.number = number.into();
        job
    };
    for (second, (document, number)) in
        [("a", "S/N"), ("b", "S/N"), ("c", "PL-1-11"), ("d", "PL-11-1"), ("e", "pl 1.11")]
            .into_iter()
            .enumerate()
    {
        index(&pool, &numbered(document, i64::try_from(second).unwrap(), number)).await;
    }
    let expected = ["indexed", "indexed", "superseded", "indexed", "indexed"];
    assert_eq!(states(&pool, &["a", "b", "c", "d", "e"]).await, expected);
}

#[tokio::test]
async fn a_revision_that_takes_another_number_or_fails_gives_its_place_back() {
    let pool = database("store_back").await;
    index(&pool, &revision("a", 0, "A")).await;
    index(&pool, &revision("b", 1, "B")).await;
    assert_eq!(states(&pool, &["a", "b"]).await, ["superseded", "indexed"]);
    let mut renumbered = revision("b", 2, "B");
    renumbered.body.metadata.fields.number = "PL-2".into();
    assert_eq!(start(&pool, &renumbered).await.unwrap(), Start::Go);
    let committed = commit(&pool, &renumbered, &nothing(&renumbered)).await.unwrap().unwrap();
    assert_eq!(committed.revived.map(|revived| revived.document), Some("a".parse().unwrap()));

    index(&pool, &revision("c", 3, "C")).await;
    index(&pool, &revision("d", 4, "D")).await;
    let again = revision("d", 5, "E");
    assert_eq!(start(&pool, &again).await.unwrap(), Start::Go);
    let revived =
        fail::fail(&pool, &again, &schemas::messages::jobs::internal().reason("damaged")).await.unwrap();
    assert_eq!(revived.map(|revived| revived.document), Some("c".parse().unwrap()));
}

#[tokio::test]
async fn the_current_revision_stays_so_while_it_is_processed_anew() {
    let pool = database("store_anew").await;
    index(&pool, &revision("b", 0, "B")).await;
    let mut anew = revision("b", 1, "B");
    anew.body.filename = "b.txt".to_owned();
    assert_eq!(start(&pool, &anew).await.unwrap(), Start::Go);
    index(&pool, &revision("a", 2, "A")).await;
    assert_eq!(state(&pool, "a").await, ("superseded".to_owned(), 0));
}

#[tokio::test]
async fn a_document_belongs_to_the_import_that_brought_it_last() {
    let pool = database("store_adopted").await;
    let other = |mut job: Job| {
        job.body.parent =
            job.body.parent.map(|parent| Parent { document_id: "other".parse().unwrap(), ..parent });
        job
    };
    for import in [import(0), Job { document: "other".parse().unwrap(), ..import(1) }] {
        assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
        note_records(&pool, &import, &["r1", "r2", "r3"]).await;
    }
    index(&pool, &record("r1", 2)).await;
    index(&pool, &record("r2", 3)).await;
    index(&pool, &record("r3", 4)).await;
    // The other import brings r1 again with the same content, and r2 with other content.
    assert!(matches!(start(&pool, &other(record("r1", 5))).await.unwrap(), Start::Done { .. }));
    let mut changed = other(record("r2", 6));
    changed.body.source = Source::Text("Muro".to_owned());
    index(&pool, &changed).await;
    // r4 is accepted after the deletion, so the deletion does not take it.
    index(&pool, &record("r4", 9)).await;
    let deleted = delete(&pool, "import", 8).await;
    assert_eq!(deleted.parts, ["r3".parse().unwrap()]);
    let expected = ["indexed", "indexed", "deleted", "indexed"];
    assert_eq!(states(&pool, &["r1", "r2", "r3", "r4"]).await, expected);
}

#[tokio::test]
async fn what_an_import_left_goes_with_it_and_what_it_replaced_comes_back() {
    let pool = database("store_deleted").await;
    let import = import(10);
    index(&pool, &revision("a", 0, "A")).await;
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["b", "later"]).await;
    let mut b = record_of(10, "b", 11);
    b.body.metadata = revision("b", 11, "B").body.metadata;
    index(&pool, &b).await;
    // A mail of the import with an attachment of its own.
    let mut attached = record_of(10, "attached", 12);
    attached.body.parent = attached.body.parent.map(|parent| Parent {
        document_id: "b".parse().unwrap(),
        accepted_at: Some(b.accepted_at),
        ..parent
    });
    index(&pool, &attached).await;
    let deleted = delete(&pool, "import", 15).await;
    assert_eq!(states(&pool, &["import", "b", "attached"]).await, ["deleted", "deleted", "deleted"]);
    assert_eq!(
        deleted.revived.into_iter().map(|revived| revived.document).collect::<Vec<_>>(),
        ["a".parse().unwrap()]
    );
    // The job of this record is accepted after the deletion, but the import that the record came with was
    // deleted.
    assert_eq!(start(&pool, &record_of(10, "later", 16)).await.unwrap(), Start::Void);
    assert!(!note(&pool, &import, &[]).await.unwrap(), "and it does not go on");
    // The import is sent again after its deletion: this is another import.
    let again = self::import(20);
    assert_eq!(start(&pool, &again).await.unwrap(), Start::Go);
    assert_eq!(start(&pool, &record_of(20, "later", 21)).await.unwrap(), Start::Go);
}

#[tokio::test]
async fn a_record_that_something_else_made_void_is_settled_too() {
    let pool = database("store_void").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["deleted", "newer", "failing"]).await;
    let jobs = [record("deleted", 1), record("newer", 1), record("failing", 1)];
    for job in &jobs {
        assert_eq!(start(&pool, job).await.unwrap(), Start::Go);
    }
    delete(&pool, "deleted", 2).await;
    delete(&pool, "failing", 2).await;
    assert_eq!(start(&pool, &text("newer", 3)).await.unwrap(), Start::Go);
    for job in &jobs[..2] {
        assert!(commit(&pool, job, &nothing(job)).await.unwrap().is_none());
    }
    fail::fail(&pool, &jobs[2], &schemas::messages::jobs::internal().reason("damaged")).await.unwrap();
    counted(&pool, &import, &stored(), "ndjson").await.unwrap();
    assert!(matches!(standing(&pool, &import, false).await, Standing::Finished { .. }));
}

#[tokio::test]
async fn a_job_queued_again_undoes_nothing_that_came_after_it() {
    let pool = database("store_requeued").await;
    let first = text("d", 0);
    assert_eq!(start(&pool, &first).await.unwrap(), Start::Go);
    fail::fail(&pool, &first, &schemas::messages::jobs::internal().reason("damaged")).await.unwrap();
    let requeued = |second| text("d", second).first_accepted(first.accepted_at);
    assert_eq!(start(&pool, &requeued(5)).await.unwrap(), Start::Go);
    assert_eq!(start(&pool, &requeued(5)).await.unwrap(), Start::Go, "its second attempt is no later job");
    index(&pool, &text("d", 6)).await;
    assert_eq!(start(&pool, &requeued(7)).await.unwrap(), Start::Void);
    delete(&pool, "d", 8).await;
    assert_eq!(start(&pool, &requeued(9)).await.unwrap(), Start::Void);
}

#[tokio::test]
async fn a_job_queued_again_does_not_make_void_what_still_waits() {
    let pool = database("store_requeued_first").await;
    let first = text("d", 0);
    assert_eq!(start(&pool, &first).await.unwrap(), Start::Go);
    fail::fail(&pool, &first, &schemas::messages::jobs::internal().reason("damaged")).await.unwrap();
    // A newer job was accepted at second 3 and waits. Meanwhile the first job is queued again and is
    // processed before it.
    let requeued = text("d", 5).first_accepted(first.accepted_at);
    index(&pool, &requeued).await;
    let mut waiting = text("d", 3);
    waiting.body.filename = "newer.txt".to_owned();
    assert_eq!(start(&pool, &waiting).await.unwrap(), Start::Go);
    assert!(commit(&pool, &waiting, &nothing(&waiting)).await.unwrap().is_some());
    assert_eq!(start(&pool, &requeued).await.unwrap(), Start::Void);
    // A deletion that waits is not made void either.
    let again = text("e", 9).first_accepted(text("e", 6).accepted_at);
    index(&pool, &again).await;
    delete(&pool, "e", 7).await;
    assert_eq!(start(&pool, &text("e", 10).first_accepted(again.since)).await.unwrap(), Start::Void);
}

#[tokio::test]
async fn a_long_document_is_stored_in_slices_and_whole() {
    let pool = database("store_long").await;
    let job = text("long", 0);
    assert_eq!(start(&pool, &job).await.unwrap(), Start::Go);
    let text = |at| format!("palabra{at}");
    let passages = (0..600).map(|at| Passage {
        page: Some(at / 10),
        page_last: None,
        heading: String::new(),
        language: Language::Spanish,
        text: text(at),
        vector: std::iter::once(1.0).chain(std::iter::repeat_n(0.0, 383)).collect(),
        sentences: Vec::new(),
    });
    let content = Content { passages: passages.collect(), ..nothing(&job) };
    commit(&pool, &job, &content).await.unwrap().unwrap();
    // The words are found before and after they are merged.
    for merged in [false, true] {
        if merged {
            index::tidy_at(&pool, &job.project, |_| 1).await.unwrap();
        }
        let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
        let waiting: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM posting_pending)")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(waiting, !merged);
        let stored: Vec<(i64, i32, String)> =
            sqlx::query_as("SELECT key, project_key, text FROM chunk ORDER BY ordinal")
                .fetch_all(&mut *tx)
                .await
                .unwrap();
        assert_eq!(stored.len(), 600);
        for (at, (key, project, stored)) in (0..).zip(stored) {
            assert_eq!(stored, text(at));
            let words = analysis::terms::query_terms(&stored);
            let query = index::Query {
                projects: &[project],
                words: &words,
                chunks: 600,
                average: 1.0,
                allowed: None,
                limit: 10,
            };
            let found = query.best(&mut tx).await.unwrap().passages;
            assert_eq!(found.iter().map(|found| found.chunk_key).collect::<Vec<_>>(), [key], "{stored}");
        }
    }
}

#[tokio::test]
async fn a_search_sees_one_revision_while_others_replace_it_and_words_are_merged() {
    const PASSAGES: usize = 300;
    let pool = database("store_one_revision").await;
    let words = analysis::terms::query_terms("losa");
    let revise = async {
        for second in 0..12 {
            let job = revision(&format!("d{second}"), second, &second.to_string());
            assert_eq!(start(&pool, &job).await.unwrap(), Start::Go);
            let mut vector = vec![0.0; 384];
            vector[0] = 1.0;
            let passage = Passage {
                page: None,
                page_last: None,
                heading: String::new(),
                language: Language::Spanish,
                text: "Losa".to_owned(),
                vector,
                sentences: Vec::new(),
            };
            let content = Content { passages: vec![passage; PASSAGES], ..nothing(&job) };
            commit(&pool, &job, &content).await.unwrap().unwrap();
            index::tidy_at(&pool, &job.project, |_| 1).await.unwrap();
        }
    };
    let search = async {
        let mut seen = 0;
        let mut revise = std::pin::pin!(revise);
        loop {
            let found = async {
                let mut tx = scope::begin_reading(
                    &pool,
                    scope::INGEST,
                    &Scope::All,
                    std::time::Duration::from_secs(30),
                )
                .await
                .unwrap();
                let projects = scope::projects(&mut tx).await.unwrap();
                let query = index::Query {
                    projects: &projects.keys,
                    words: &words,
                    chunks: 1,
                    average: 1.0,
                    allowed: None,
                    limit: 10 * PASSAGES,
                };
                let found = query.best(&mut tx).await.unwrap().passages;
                let keys: Vec<i64> = found.iter().map(|found| found.chunk_key).collect();
                let documents: i64 =
                    sqlx::query_scalar("SELECT count(DISTINCT document_key) FROM chunk WHERE key = ANY($1)")
                        .bind(&keys)
                        .fetch_one(&mut *tx)
                        .await
                        .unwrap();
                (keys.len(), documents)
            };
            tokio::select! {
                biased;
                () = &mut revise => return seen,
                found = found => {
                    assert!(matches!(found, (0, 0) | (PASSAGES, 1)), "{found:?}");
                    seen += usize::from(found.0 > 0);
                }
            }
        }
    };
    assert!(search.await > 0, "no search came in between");
}
