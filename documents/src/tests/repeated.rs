//! Jobs that come again: every step may run twice.

use super::*;

#[tokio::test]
async fn a_failure_that_comes_again_is_the_same_failure() {
    let pool = database("store_failure").await;
    let job = text("d", 0);
    assert_eq!(start(&pool, &job).await.unwrap(), Start::Go);
    fail(&pool, &job).await.unwrap();
    // The job comes again, as if its worker had died before the dead letter was written.
    assert_eq!(start(&pool, &job).await.unwrap(), Start::Failed(damaged()));
    // The document is sent again: this is another job.
    assert_eq!(start(&pool, &text("d", 1)).await.unwrap(), Start::Go);
}

#[tokio::test]
async fn a_document_that_waits_says_why_until_its_next_attempt() {
    let pool = database("store_waits").await;
    let reason = async || -> Option<sqlx::types::Json<schemas::problem::Reason>> {
        let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
        let reason = sqlx::query_scalar("SELECT reason FROM document WHERE id = 'd'");
        reason.fetch_one(&mut *tx).await.unwrap()
    };
    let job = text("d", 0);
    assert_eq!(start(&pool, &job).await.unwrap(), Start::Go);
    super::start::ended(&pool, &job, Some(damaged())).await.unwrap();
    assert_eq!(reason().await.map(|reason| reason.0), Some(damaged()));
    index(&pool, &job).await;
    assert!(reason().await.is_none());
    // An attempt may also wait after its commit, for NATS.
    super::start::ended(&pool, &job, Some(damaged())).await.unwrap();
    assert!(reason().await.is_none());
}

#[tokio::test]
async fn a_failure_changes_only_what_its_job_may_change() {
    let pool = database("store_failure_void").await;
    let done = text("done", 0);
    index(&pool, &done).await;
    assert!(fail(&pool, &done).await.is_none(), "another attempt has indexed it");
    let older = text("newer", 1);
    assert_eq!(start(&pool, &older).await.unwrap(), Start::Go);
    assert_eq!(start(&pool, &text("newer", 2)).await.unwrap(), Start::Go);
    assert!(fail(&pool, &older).await.is_none());
    assert_eq!(states(&pool, &["done", "newer"]).await, ["indexed", "processing"]);
    // A message that cannot be read comes after the deletion of its document.
    delete(&pool, "done", 3).await;
    let unreadable = text("done", 4);
    assert!(fail::fail(&pool, &unreadable, &damaged(), false).await.unwrap().is_some());
    assert_eq!(state(&pool, "done").await.0, "failed");
}

#[tokio::test]
async fn a_commit_that_comes_again_still_tells_whom_it_replaced() {
    let pool = database("store_replaced").await;
    index(&pool, &revision("a", 0, "A")).await;
    index(&pool, &revision("b", 1, "B")).await;
    let newer = done(&pool, &revision("b", 1, "B")).await;
    assert_eq!((newer.superseded, newer.superseded_by), (vec!["a".parse().unwrap()], None));
    let older = done(&pool, &revision("a", 0, "A")).await;
    assert_eq!((older.superseded, older.superseded_by), (vec![], Some("b".parse().unwrap())));
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
    assert_eq!(names(&done(&pool, &renumbered).await.revived), ["a"]);
    index(&pool, &revision("a", 3, "A")).await;
    assert!(done(&pool, &renumbered).await.revived.is_empty(), "it answers again");
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
        assert_eq!(deleted.documents, ["newer", "import"].map(|id| id.parse().unwrap()), "{attempt}");
        assert_eq!(names(&deleted.revived), ["older"], "{attempt}");
        assert_eq!(deleted.objects, ["o", "o"], "{attempt}");
    }
}

#[tokio::test]
async fn a_job_queued_again_undoes_nothing_that_came_after_it() {
    let pool = database("store_requeued").await;
    let first = text("d", 0);
    assert_eq!(start(&pool, &first).await.unwrap(), Start::Go);
    fail(&pool, &first).await.unwrap();
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
    fail(&pool, &first).await.unwrap();
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
async fn a_document_that_is_sent_again_or_fails_is_written_once() {
    let pool = database("store_written").await;
    let owner = owner(&pool).await;
    let counting = "CREATE SEQUENCE written;
         CREATE FUNCTION count_writing() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
             PERFORM nextval('written');
             RETURN NEW;
         END $$;
         CREATE TRIGGER counted BEFORE UPDATE ON document FOR EACH ROW EXECUTE FUNCTION count_writing()";
    sqlx::raw_sql(counting).execute(&owner).await.unwrap();
    // Each call counts itself, too.
    let written = async || -> i64 {
        let next = sqlx::query_scalar("SELECT nextval(to_regclass('written'))");
        next.fetch_one(&owner).await.unwrap()
    };
    index(&pool, &text("again", 0)).await;
    assert_eq!(start(&pool, &text("fails", 0)).await.unwrap(), Start::Go);
    let before = written().await;
    done(&pool, &text("again", 1)).await;
    let between = written().await;
    fail(&pool, &text("fails", 0)).await.unwrap();
    assert_eq!((between - before, written().await - between), (2, 2));
}

#[tokio::test]
async fn two_jobs_of_a_new_document_may_start_at_the_same_time() {
    let pool = database("store_two_new").await;
    index_document(&pool, "other").await;
    let other = async |document: &str, second| {
        let job = text(document, second);
        let mut tx = job.begin(&pool).await.unwrap();
        sqlx::query(
            "INSERT INTO document (project_key, id, state, accepted_at) SELECT key, $1, 'processing', $2 FROM project",
        )
        .bind(document)
        .bind(job.accepted_at)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx
    };
    let (newer, older) = (text("d", 5), text("e", 1));
    let tx = other("d", 3).await;
    assert_eq!(tokio::join!(start(&pool, &newer), end_when_awaited(&pool, tx)).0.unwrap(), Start::Go);
    let tx = other("e", 3).await;
    assert_eq!(tokio::join!(start(&pool, &older), end_when_awaited(&pool, tx)).0.unwrap(), Start::Void);
    let tx = other("f", 3).await;
    tokio::join!(delete(&pool, "f", 4), end_when_awaited(&pool, tx));
    let tx = other("g", 3).await;
    let failing = text("g", 4);
    tokio::join!(fail(&pool, &failing), end_when_awaited(&pool, tx)).0.unwrap();
    assert_eq!(states(&pool, &["f", "g"]).await, ["deleted", "failed"]);
}
