//! Documents that are started and committed in one transaction.

use super::*;
use crate::{commit::commit_all, start::start_all};

/// The content of a document with this many passages.
fn content(job: &Job, passages: usize) -> Content {
    Content { passages: vec![passage(); passages], text_length: 4, ..nothing(job) }
}

async fn commit_together(pool: &PgPool, jobs: &[(Job, usize)]) -> Vec<Option<Committed>> {
    let started = start_all(pool, &jobs.iter().map(|(job, _)| job).collect::<Vec<_>>()).await.unwrap();
    assert!(started.iter().all(|start| *start == Start::Go), "{started:?}");
    let contents: Vec<WithWords> =
        jobs.iter().map(|(job, passages)| content(job, *passages).into()).collect();
    let all: Vec<(&Job, &WithWords)> = jobs.iter().map(|(job, _)| job).zip(&contents).collect();
    commit_all(pool, &all).await.unwrap()
}

/// The passages of each document, and whether the project's sums count them.
async fn passages(pool: &PgPool) -> (Vec<(String, i64)>, bool) {
    let mut tx = scope::begin(pool, &Scope::All).await.unwrap();
    let of_each: Vec<(String, i64)> = sqlx::query_as(
        "SELECT d.id, count(*) FROM chunk c JOIN document d ON d.project_key = c.project_key AND d.key = c.document_key
         WHERE d.chunks > 0 GROUP BY d.id ORDER BY d.id",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    let counted: bool = sqlx::query_scalar(
        "SELECT (chunks, terms) = (SELECT count(*), sum(terms) FROM chunk)
                AND chunks = (SELECT sum(chunks) FROM document)
                AND chunks = (SELECT count(*) FROM embedding) AND chunks = (SELECT sum(passages) FROM posting_pending)
         FROM project",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    (of_each, counted)
}

#[tokio::test]
async fn the_newest_of_the_revisions_answers_and_the_sums_are_right() {
    let pool = database("together_revisions").await;
    let old = numbered("a", 0, "PL-1", "1");
    let jobs = [
        (old, 2),
        (numbered("b", 1, "PL-1", "2"), 3),
        (text("c", 2), 4),
        (numbered("e", 3, "PL-2", "1"), 200),
    ];
    let committed = commit_together(&pool, &jobs).await;
    let superseded: Vec<_> = committed.iter().map(|one| one.as_ref().unwrap().superseded.len()).collect();
    assert_eq!(superseded, [0, 1, 0, 0]);
    let of = |document: &str, count| (document.to_owned(), count);
    assert_eq!(passages(&pool).await, (vec![of("b", 3), of("c", 4), of("e", 200)], true));
    assert_eq!(states(&pool, &["a", "b", "c", "e"]).await, ["superseded", "indexed", "indexed", "indexed"]);

    // One takes the place of another that gets a new number in the same transaction.
    let jobs = [(numbered("d", 10, "PL-1", "3"), 1), (numbered("b", 11, "PL-9", "2"), 5)];
    let committed = commit_together(&pool, &jobs).await;
    assert!(committed.iter().all(Option::is_some));
    assert_eq!(passages(&pool).await, (vec![of("b", 5), of("c", 4), of("d", 1), of("e", 200)], true));

    // The same in the other order, with a number whose former document was the newer one.
    let jobs = [(numbered("b", 20, "PL-8", "2"), 5), (numbered("f", 21, "PL-9", "1"), 2)];
    let committed = commit_together(&pool, &jobs).await;
    assert!(committed.iter().all(|one| one.as_ref().unwrap().superseded.is_empty()));
    let all = vec![of("b", 5), of("c", 4), of("d", 1), of("e", 200), of("f", 2)];
    assert_eq!(passages(&pool).await, (all, true));
    assert_eq!(states(&pool, &["b", "f"]).await, ["indexed", "indexed"]);
}
