use std::time::Duration;

use schemas::Scope;
use sqlx::{PgConnection, PgPool};
use tokio::time::{sleep, timeout};

use super::*;
use crate::{
    scope,
    tests::{MODEL, database, index_document},
};

/// The first table is that of a partition with the large project `p` and, in its sums, with a larger one.
async fn large_project(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap();
    for statement in [
        "SET LOCAL ROLE NONE",
        "SET LOCAL session_replication_role = replica",
        "INSERT INTO project (id) VALUES ('p')",
        "INSERT INTO project (id) SELECT 'other-' || n FROM generate_series(1, 100) AS n",
        "INSERT INTO embedding (project_key, model, chunk_key, document_key, vector)
         SELECT key, 1, 1000000 + n, 1, (SELECT array_agg(sin(i * n)) FROM generate_series(1, 384) AS i)::vector(384)::halfvec
         FROM generate_series(1, 5000) AS n, project WHERE id = 'p'",
        "UPDATE project SET chunks = 5000 WHERE id = 'p'",
        "UPDATE project SET chunks = 25000, id = 'larger' WHERE key = (
             SELECT other.key FROM project AS other, project AS p, generate_series(0, 7) AS part
             WHERE p.id = 'p' AND other.id <> 'p' AND satisfies_hash_partition('chunk'::regclass, 8, part, p.key)
               AND satisfies_hash_partition('chunk'::regclass, 8, part, other.key)
             LIMIT 1)",
    ] {
        sqlx::query(statement).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// The indexes of single projects, and whether each is valid.
async fn own_indexes(tx: &mut PgConnection) -> Vec<(String, bool)> {
    sqlx::query_as(
        "SELECT p.id, indisvalid FROM project p
         JOIN pg_index ON indexrelid = to_regclass('embedding_1_of_' || p.key) ORDER BY id",
    )
    .fetch_all(tx)
    .await
    .unwrap()
}

#[tokio::test]
async fn the_index_of_a_large_project_is_created_while_commits_go_on_and_again_after_a_crash() {
    let pool = database("model_index").await;
    large_project(&pool).await;
    let owner = PgPool::connect_with((*pool.connect_options()).clone().options([("role", "none")])).await;
    let owner = owner.unwrap();
    // A transaction that has written keeps the creation of the index waiting.
    let mut writing = owner.begin().await.unwrap();
    sqlx::query("LOCK TABLE embedding_1 IN ROW EXCLUSIVE MODE").execute(&mut *writing).await.unwrap();
    let creating = tokio::spawn({
        let owner = owner.clone();
        async move { migrations::index_vectors(&owner).await }
    });
    let waiting: i32 = loop {
        let pid = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'",
        );
        match pid.fetch_optional(&owner).await.unwrap() {
            Some(pid) => break pid,
            None => sleep(Duration::from_millis(20)).await,
        }
    };
    // The project that is being indexed gets a document, in the same partition.
    timeout(Duration::from_secs(60), index_document(&pool, "meanwhile")).await.expect("no commit waits");
    let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
    assert_eq!(own_indexes(&mut tx).await, [("p".to_owned(), false)], "searches do not use it yet");
    drop(tx);

    // Another process does nothing meanwhile, and the one that works is killed.
    migrations::index_vectors(&owner).await.unwrap();
    assert!(!creating.is_finished());
    // Its lock is free as soon as it has ended.
    sqlx::query("SELECT pg_terminate_backend($1, 60000)").bind(waiting).execute(&owner).await.unwrap();
    creating.await.unwrap().unwrap_err();
    writing.rollback().await.unwrap();
    migrations::index_vectors(&owner).await.unwrap();
    let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
    assert_eq!(
        own_indexes(&mut tx).await,
        [("p".to_owned(), true)],
        "the larger project, which is most of its partition, needs none"
    );
    drop(tx);

    sqlx::query("UPDATE project SET chunks = 2000 WHERE id = 'p'").execute(&owner).await.unwrap();
    migrations::index_vectors(&owner).await.unwrap();
    let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
    assert_eq!(own_indexes(&mut tx).await, [], "a project that became small loses its index");
}

#[tokio::test]
async fn a_second_model_is_filled_answers_and_replaces_the_first() {
    let pool = database("model_second").await;
    for document in ["a", "b"] {
        index_document(&pool, document).await;
    }
    let begin = || scope::begin(&pool, &Scope::All);
    let second = add(&pool, "other", "other digest", 3).await.unwrap();
    assert_eq!(add(&pool, "other", "other digest", 3).await.unwrap(), second, "added again, it is the same");
    let third = add(&pool, "third", "third digest", 3).await.unwrap_err();
    assert!(third.to_string().contains("two models"), "{third}");
    // The first one answers, the second one may not yet, and what is unknown never.
    let mut tx = begin().await.unwrap();
    assert_eq!(own(&mut tx, "digest").await.unwrap().unwrap().unwrap().number, MODEL);
    let refusal = own(&mut tx, "other digest").await.unwrap().unwrap_err();
    assert!(matches!(refusal, Refusal::Incomplete(Coverage { passages: 2, missing: 2 })), "{refusal:?}");
    assert!(refusal.to_string().contains("model fill"), "{refusal}");
    let refusal = own(&mut tx, "nothing").await.unwrap().unwrap_err();
    assert!(refusal.to_string().contains("the model test (digest)"), "{refusal}");
    let projects = incomplete(&mut tx, second).await.unwrap();
    let [(project, _, 2)] = projects[..] else { panic!("{projects:?}") };
    let passages = missing(&mut tx, second, project, i64::MAX, 100).await.unwrap();
    assert_eq!(passages.iter().map(|passage| &*passage.text).collect::<Vec<_>>(), ["Losa", "Losa"]);
    drop(tx);

    let made = |passages: &[Missing], dimension| -> Vec<Made> {
        let made = passages.iter().map(|passage| Made {
            chunk_key: passage.chunk_key,
            document_key: passage.document_key,
            vector: vec![0.5; dimension],
            sentences: vec![7],
        });
        made.collect()
    };
    store(&pool, second, project, &made(&passages[..1], 384)).await.unwrap_err();
    assert!(store(&pool, second, project, &made(&passages[..1], 3)).await.unwrap());
    let left = switch(&pool, second, Duration::ZERO).await.unwrap();
    assert_eq!((left.passages, left.missing), (2, 1), "nothing is switched");
    // A document that goes meanwhile needs no vector; one that comes needs one. The newest passage came first.
    let later = chrono::DateTime::from_timestamp(1_900_000_000, 0).unwrap();
    crate::delete::delete(&pool, &"p".parse().unwrap(), &"a".parse().unwrap(), later).await.unwrap().unwrap();
    assert!(!store(&pool, second, project, &made(&passages[1..], 3)).await.unwrap());
    index_document(&pool, "c").await;
    let mut tx = begin().await.unwrap();
    let passages = missing(&mut tx, second, project, i64::MAX, 100).await.unwrap();
    assert_eq!(passages.len(), 1);
    drop(tx);
    // A switch waits for the last vector.
    let (switched, stored) = tokio::join!(switch(&pool, second, Duration::from_secs(60)), async {
        sleep(Duration::from_millis(300)).await;
        store(&pool, second, project, &made(&passages, 3)).await.unwrap()
    });
    assert!(stored && switched.unwrap().missing == 0);
    let mut tx = begin().await.unwrap();
    let models: Vec<(i16, bool)> =
        all(&mut tx).await.unwrap().into_iter().map(|model| (model.number, model.answering)).collect();
    assert_eq!(models, [(MODEL, false), (second, true)]);
    drop(tx);

    remove(&pool, second).await.unwrap_err();
    remove(&pool, MODEL).await.unwrap();
    let too_late = store(&pool, MODEL, project, &made(&passages[..1], 384)).await.unwrap_err();
    assert!(is_dropped(&too_late), "{too_late}");
    let mut tx = begin().await.unwrap();
    let vectors: Vec<i16> =
        sqlx::query_scalar("SELECT model FROM embedding").fetch_all(&mut *tx).await.unwrap();
    assert_eq!(vectors, [second, second]);
    let sentences: Vec<(i16, Vec<u8>)> =
        sqlx::query_as("SELECT model, data FROM sentence").fetch_all(&mut *tx).await.unwrap();
    assert_eq!(sentences, [(second, vec![7]), (second, vec![7])]);
    assert!(own(&mut tx, "digest").await.unwrap().unwrap_err().to_string().contains("other digest"));
    drop(tx);
    // The first one can come back, and begins without vectors.
    let again = add(&pool, "test", "digest", 384).await.unwrap();
    let mut tx = begin().await.unwrap();
    assert_eq!(coverage(&mut tx, again).await.unwrap().missing, 2);
}

#[tokio::test]
async fn the_vector_indexes_of_a_model_have_the_graph_of_the_last_migration() {
    let pool = database("model_graph").await;
    let options: Vec<Option<Vec<String>>> = sqlx::query_scalar(
        "SELECT DISTINCT reloptions FROM pg_class JOIN pg_am ON pg_am.oid = relam WHERE amname = 'hnsw' AND relkind = 'i'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(options, [Some(vec!["m=12".to_owned(), "ef_construction=128".to_owned()])]);
}
