//! Imports and their records.

use super::*;

#[tokio::test]
async fn an_import_cut_short_keeps_what_is_settled() {
    let pool = database("store_cut").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1", "r2"]).await;
    index(&pool, &record("r1", 1)).await;
    // The attempt ended without killing its worker, so the next attempt counts as the first.
    super::start::ended(&pool, &import, None).await.unwrap();
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1", "r2"]).await;
    let done = settled(&pool, &import, &records(&["r1", "r2", "r3"])).await.unwrap().unwrap();
    assert_eq!(done.into_iter().collect::<Vec<_>>(), [1]);
    index(&pool, &record("r2", 2)).await;
    counted(&pool, &import, &stored(), "ndjson").await.unwrap();
    let finished = Standing::Finished { title: "a.txt".to_owned(), chunks: 2, text_length: 8 };
    assert_eq!(standing(&pool, &import, false).await, finished);
    assert_eq!(standing(&pool, &import, false).await, Standing::Closed);
    assert_eq!(standing(&pool, &import, true).await, finished, "whoever closed it may have told nobody");
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Closed);
    // An attempt that ran in parallel with the one that closed the import changes nothing.
    begin(&pool, &import).await.unwrap();
    assert!(!note(&pool, &import, &[]).await.unwrap());
    assert!(settled(&pool, &import, &records(&["r1"])).await.unwrap().is_none(), "it is not under way");
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
    assert_eq!(standing(&pool, &second, false).await, Standing::Open { percent: Some(0) });
    assert!(matches!(start(&pool, &record("r1", 3)).await.unwrap(), Start::Done(_)));
    assert!(matches!(standing(&pool, &second, false).await, Standing::Finished { .. }));
    // Also after it has ended: a record may have been deleted or replaced since.
    assert_eq!(start(&pool, &import(4)).await.unwrap(), Start::Go);
}

#[tokio::test]
async fn the_text_of_a_document_that_becomes_an_import_answers_no_longer() {
    let pool = database("store_becomes").await;
    index(&pool, &revision("a", 0, "A")).await;
    index(&pool, &revision("import", 1, "B")).await;
    let import = import(2);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1"]).await;
    for attempt in ["first", "second"] {
        let revived = counted(&pool, &import, &stored(), "ndjson").await.unwrap();
        assert_eq!(names(&revived), ["a"], "{attempt}");
    }
    let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
    let left: (i64, i64, String) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM chunk), (SELECT chunks FROM project), number_norm FROM document WHERE id = 'import'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    drop(tx);
    assert_eq!(left, (0, 0, String::new()));
    index(&pool, &record_of(2, "r1", 3)).await;
    assert!(matches!(standing(&pool, &import, false).await, Standing::Finished { chunks: 1, .. }));
    assert!(counted(&pool, &import, &stored(), "ndjson").await.unwrap().is_empty(), "it is closed");
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
    assert!(matches!(start(&pool, &other(record("r1", 5))).await.unwrap(), Start::Done(_)));
    let mut changed = other(record("r2", 6));
    changed.body.source = Source::Text("Muro".to_owned());
    index(&pool, &changed).await;
    // r4 is accepted after the deletion, so the deletion does not take it.
    index(&pool, &record("r4", 9)).await;
    let deleted = delete(&pool, "import", 8).await;
    assert_eq!(deleted.documents, ["r3", "import"].map(|id| id.parse().unwrap()));
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
    assert_eq!(names(&deleted.revived), ["a"]);
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
async fn an_import_whose_records_all_failed_is_indexed_when_they_succeed_after_all() {
    let pool = database("store_succeeds").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1", "r2"]).await;
    counted(&pool, &import, &stored(), "ndjson").await.unwrap();
    let failing = ["r1", "r2"].map(|document| record_of(0, document, 1));
    for job in &failing {
        assert_eq!(start(&pool, job).await.unwrap(), Start::Go);
        fail(&pool, job).await.unwrap();
    }
    assert!(matches!(standing(&pool, &import, false).await, Standing::Failed(_)));
    // Both are queued again. One fails once more, which is no news; then both succeed.
    let requeued = |at: usize, second| {
        let Job { document, accepted_at, .. } = &failing[at];
        record_of(0, document.as_str(), second).first_accepted(*accepted_at)
    };
    assert_eq!(start(&pool, &requeued(0, 5)).await.unwrap(), Start::Go);
    fail(&pool, &requeued(0, 5)).await.unwrap();
    assert_eq!(standing(&pool, &import, false).await, Standing::Closed);
    assert_eq!(state(&pool, "import").await.0, "failed");
    let after = async |place| close(&pool, &import.project, &import.document, &[place], false).await.unwrap();
    index(&pool, &requeued(0, 6)).await;
    let finished =
        |chunks| Standing::Finished { title: "a.txt".to_owned(), chunks, text_length: 4 * u64::from(chunks) };
    assert_eq!(after(1).await, finished(1));
    index(&pool, &requeued(1, 7)).await;
    assert_eq!(after(2).await, Standing::Closed, "it is indexed already");
    let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
    let length: i64 = sqlx::query_scalar("SELECT text_length FROM document WHERE id = 'import'")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    drop(tx);
    assert_eq!(length, 8);
    assert_eq!(standing(&pool, &import, true).await, finished(2));
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
    assert!(fail(&pool, &jobs[2]).await.is_none(), "it is not known as failed");
    counted(&pool, &import, &stored(), "ndjson").await.unwrap();
    assert!(matches!(standing(&pool, &import, false).await, Standing::Finished { .. }));
}

#[tokio::test]
async fn an_outcome_of_the_import_before_is_none_of_this_one() {
    let pool = database("store_corrected").await;
    let first = import(0);
    assert_eq!(start(&pool, &first).await.unwrap(), Start::Go);
    note_records(&pool, &first, &["r1", "r2"]).await;
    let waiting = [record_of(0, "r1", 1), record_of(0, "r2", 2)];
    assert_eq!(start(&pool, &waiting[0]).await.unwrap(), Start::Go);
    // The import is sent again with corrected records while those of the first one are still in the queue.
    let second = import(5);
    assert_eq!(start(&pool, &second).await.unwrap(), Start::Go);
    note_records(&pool, &second, &["r1", "r2"]).await;
    commit(&pool, &waiting[0], &nothing(&waiting[0])).await.unwrap().unwrap();
    index(&pool, &waiting[1]).await;
    assert!(settled(&pool, &second, &records(&["r1", "r2"])).await.unwrap().unwrap().is_empty());
    let corrected = Source::Text("Muro".to_owned());
    index(
        &pool,
        &Job {
            body: IngestDocument { source: corrected, ..record_of(5, "r1", 5).body },
            ..record_of(5, "r1", 5)
        },
    )
    .await;
    assert_eq!(settled(&pool, &second, &records(&["r1", "r2"])).await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn a_record_whose_job_cannot_be_read_does_not_hold_up_its_import() {
    let pool = database("store_unreadable").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["new", "known"]).await;
    counted(&pool, &import, &stored(), "ndjson").await.unwrap();
    index(&pool, &text("known", 1)).await;
    let reason = schemas::messages::jobs::internal().reason("invalid_job");
    for document in ["new", "known"] {
        let Job { project, document, accepted_at, body, .. } = record_of(0, document, 2);
        let payload = serde_json::json!({"text": {}, "parent": body.parent}).to_string();
        let subject = body.subject(&project, &document);
        let job = Job::unreadable(&subject, payload.as_bytes(), accepted_at).unwrap();
        assert!(fail::fail(&pool, &job, &reason, false).await.unwrap().unwrap().is_empty());
    }
    assert_eq!(states(&pool, &["new", "known"]).await, ["failed", "indexed"]);
    assert!(matches!(standing(&pool, &import, false).await, Standing::Failed(_)));
    // The document that has only failed goes with its import, too.
    let deleted = delete(&pool, "import", 9).await;
    assert_eq!(deleted.documents, ["new", "import"].map(|id| id.parse().unwrap()));
}

#[tokio::test]
async fn a_deletion_of_many_documents_is_many_transactions_and_goes_on_when_it_is_cut_short() {
    const MANY: usize = 1_100;
    let pool = database("store_many").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1", "r2"]).await;
    index(&pool, &record_of(0, "r1", 1)).await;
    index(&pool, &record_of(0, "r2", 2)).await;
    let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
    sqlx::query(
        "INSERT INTO document (project_key, id, state, accepted_at, parent_project, parent_key)
         SELECT project_key, 'm' || n, 'failed', accepted_at, project_key, key
         FROM document, generate_series(1, $1) AS n WHERE id = 'import'",
    )
    .bind(i32::try_from(MANY).unwrap())
    .execute(&mut *tx)
    .await
    .unwrap();
    // As an attempt leaves it that ended after its first transactions.
    sqlx::query("UPDATE document SET state = 'deleted', accepted_at = $1 WHERE id IN ('import', 'm1')")
        .bind(text("import", 9).accepted_at)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for attempt in ["second", "third"] {
        let deleted = delete(&pool, "import", 9).await;
        assert_eq!(deleted.documents.len(), MANY + 3, "{attempt}");
        assert_eq!(deleted.documents.last().unwrap().as_str(), "import", "{attempt}");
    }
    let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
    let left: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM document WHERE state <> 'deleted'), (SELECT count(*) FROM chunk),
                (SELECT count(*) FROM import_record), (SELECT sum(chunks)::bigint FROM project)",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(left, (0, 0, 0, 0));
}
