//! What is stored of a document, and what a search or a list sees of it.

use schemas::document::{ListFilter, State};

use super::*;

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

#[tokio::test]
async fn a_document_is_listed_by_its_number_before_it_is_indexed_and_when_it_has_failed() {
    let pool = database("store_listed").await;
    let listed = async || -> Vec<State> {
        let fields = Fields { number: "pl 1".into(), ..Fields::default() };
        let filter = ListFilter { fields, ..ListFilter::default() };
        let as_query_worker = [("role", "acorag_query")];
        let mut tx = scope::begin_as(&pool, &as_query_worker, &Scope::All).await.unwrap();
        let projects = scope::projects(&mut tx).await.unwrap();
        let (documents, _) = read::list(&mut tx, &projects, &filter, None, &[], 50, |_| true).await.unwrap();
        documents.iter().map(|document| document.facts.state).collect()
    };
    let job = revision("a", 0, "A");
    assert_eq!(start(&pool, &job).await.unwrap(), Start::Go);
    assert_eq!(listed().await, [State::Processing]);
    fail(&pool, &job).await.unwrap();
    assert_eq!(listed().await, [State::Failed]);
}

#[tokio::test]
async fn a_document_that_fails_no_longer_has_the_length_of_its_former_text() {
    let pool = database("store_failed_length").await;
    let length = async || -> i64 {
        let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
        sqlx::query_scalar("SELECT pages + text_length FROM document").fetch_one(&mut *tx).await.unwrap()
    };
    index_document(&pool, "a").await;
    assert_eq!(length().await, 4);
    let mut again = text("a", 1);
    again.body.filename = "b.txt".to_owned();
    assert_eq!(start(&pool, &again).await.unwrap(), Start::Go);
    fail(&pool, &again).await.unwrap();
    assert_eq!(length().await, 0);
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
            let query =
                index::Query { projects: &[project], words: &words, chunks: 600, average: 1.0, limit: 10 };
            let found = query.best(&mut tx, index::Allowed::All).await.unwrap().passages;
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
            let content = Content { passages: vec![passage(); PASSAGES], ..nothing(&job) };
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
                    limit: 10 * PASSAGES,
                };
                let found = query.best(&mut tx, index::Allowed::All).await.unwrap().passages;
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
