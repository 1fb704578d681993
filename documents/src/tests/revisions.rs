//! Revisions of one document, of which only the current one is found.

use super::*;

#[tokio::test]
async fn only_a_number_makes_revisions() {
    let pool = database("store_numbers").await;
    for (second, (document, number)) in
        [("a", "S/N"), ("b", "S/N"), ("c", "PL-1-11"), ("d", "PL-11-1"), ("e", "pl 1.11")]
            .into_iter()
            .enumerate()
    {
        index(&pool, &numbered(document, i64::try_from(second).unwrap(), number, "")).await;
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
    assert_eq!(names(&committed.revived), ["a"]);

    index(&pool, &revision("c", 3, "C")).await;
    index(&pool, &revision("d", 4, "D")).await;
    let again = revision("d", 5, "E");
    assert_eq!(start(&pool, &again).await.unwrap(), Start::Go);
    assert_eq!(names(&fail(&pool, &again).await.unwrap()), ["c"]);
}

#[tokio::test]
async fn a_revision_that_takes_one_number_after_another_gives_each_place_back() {
    let pool = database("store_back_each").await;
    index(&pool, &numbered("a", 0, "PL-1", "A")).await;
    index(&pool, &numbered("b", 1, "PL-2", "A")).await;
    // The job that indexes `a` again is still waiting when `x` leaves the place of `b`, too.
    for (second, number, back) in [(2, "PL-1", vec![]), (3, "PL-2", vec!["a"]), (4, "PL-3", vec!["a", "b"])] {
        let job = numbered("x", second, number, "B");
        assert_eq!(start(&pool, &job).await.unwrap(), Start::Go);
        let committed = commit(&pool, &job, &nothing(&job)).await.unwrap().unwrap();
        assert_eq!(names(&committed.revived), back, "{number}");
    }
}

#[tokio::test]
async fn a_superseded_document_that_is_sent_again_and_fails_is_superseded_by_nothing() {
    let pool = database("store_failed_older").await;
    index(&pool, &revision("a", 0, "A")).await;
    index(&pool, &revision("b", 1, "B")).await;
    let again = revision("a", 2, "A");
    assert_eq!(start(&pool, &again).await.unwrap(), Start::Go);
    fail(&pool, &again).await.unwrap();
    assert_eq!(superseded_by(&pool, "a").await, None);
}

#[tokio::test]
async fn a_revision_that_a_correction_makes_older_gives_its_place_back() {
    let pool = database("store_corrected").await;
    index(&pool, &revision("y", 0, "B")).await;
    index(&pool, &revision("x", 1, "C")).await;
    let (newer, older) = (revision("x", 2, "D"), revision("x", 3, "A"));
    for (corrected, answers_again) in [(newer, vec![]), (older, vec!["y"])] {
        assert_eq!(start(&pool, &corrected).await.unwrap(), Start::Go);
        let committed = commit(&pool, &corrected, &nothing(&corrected)).await.unwrap().unwrap();
        assert_eq!(names(&committed.revived), answers_again);
        // The job comes again, as if its worker had died before it queued the revision.
        assert_eq!(names(&done(&pool, &corrected).await.revived), answers_again);
    }
    index(&pool, &revision("y", 4, "B")).await;
    assert_eq!(states(&pool, &["x", "y"]).await, ["superseded", "indexed"]);
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

/// The revision that superseded a document.
async fn superseded_by(pool: &PgPool, document: &str) -> Option<String> {
    let mut tx = scope::begin(pool, &Scope::All).await.unwrap();
    sqlx::query_scalar("SELECT superseded_by FROM document WHERE id = $1")
        .bind(document)
        .fetch_one(&mut *tx)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_commit_leaves_what_is_superseded_already_and_each_comes_back_in_its_turn() {
    let pool = database("store_chain").await;
    for (second, (document, code)) in [("a", "A"), ("b", "B"), ("c", "C")].into_iter().enumerate() {
        index(&pool, &revision(document, i64::try_from(second).unwrap(), code)).await;
    }
    assert_eq!(superseded_by(&pool, "a").await.as_deref(), Some("b"), "and not rewritten by c");
    let mut deleted = delete(&pool, "c", 10).await;
    assert_eq!(names(&deleted.revived), ["b"]);
    let Revived { document, job, since } = deleted.revived.remove(0);
    let at = text("b", 11).accepted_at;
    index(&pool, &Job::new("p".parse().unwrap(), document, at, job).first_accepted(since)).await;
    assert_eq!(names(&delete(&pool, "b", 12).await.revived), ["a"]);
}

#[tokio::test]
async fn a_revision_is_not_forgotten_when_the_one_that_superseded_it_goes() {
    let pool = database("store_middle").await;
    for (second, (document, code)) in [("a", "A"), ("b", "B"), ("c", "C"), ("d", "D")].into_iter().enumerate()
    {
        index(&pool, &revision(document, i64::try_from(second).unwrap(), code)).await;
    }
    // c answers no longer, so nothing comes back.
    assert_eq!(names(&delete(&pool, "c", 10).await.revived), [""; 0]);
    assert_eq!(superseded_by(&pool, "b").await.as_deref(), Some("d"));
    // b takes another number.
    let mut renumbered = revision("b", 11, "B");
    renumbered.body.metadata.fields.number = "PL-2".into();
    assert_eq!(start(&pool, &renumbered).await.unwrap(), Start::Go);
    let committed = commit(&pool, &renumbered, &nothing(&renumbered)).await.unwrap().unwrap();
    assert!(committed.revived.is_empty());
    for attempt in ["first", "second"] {
        assert_eq!(names(&delete(&pool, "d", 12).await.revived), ["a"], "{attempt}");
    }
}

#[tokio::test]
async fn the_next_revision_comes_back_when_the_newest_cannot() {
    let pool = database("store_siblings").await;
    // The older ones come late, so that the current one supersedes both.
    for (second, (document, code)) in [("c", "C"), ("a", "A"), ("b", "B")].into_iter().enumerate() {
        index(&pool, &revision(document, i64::try_from(second).unwrap(), code)).await;
    }
    assert_eq!(superseded_by(&pool, "a").await.as_deref(), Some("c"));
    assert_eq!(names(&delete(&pool, "c", 10).await.revived), ["b"]);
    // b is deleted while its job waits.
    assert_eq!(names(&delete(&pool, "b", 11).await.revived), ["a"]);
}
