//! Documents that came with an import or a mail, and what follows when that is deleted or sent again.

use super::*;
use crate::delete::other_attachments;

/// Gives the job another parent in its project, accepted at this second.
fn brought_by(parent: &str, second: i64, mut job: Job) -> Job {
    let known = record_of(second, "record", second).body.parent;
    job.body.parent = known.map(|known| Parent { document_id: parent.parse().unwrap(), ..known });
    job
}

#[tokio::test]
async fn a_document_in_another_project_outlives_the_deletion_of_its_import() {
    let pool = database("store_elsewhere").await;
    assert_eq!(start(&pool, &import(0)).await.unwrap(), Start::Go);
    let elsewhere = |document| Job { project: "q".parse().unwrap(), ..record_of(0, document, 1) };
    let begun = elsewhere("begun");
    assert_eq!(start(&pool, &begun).await.unwrap(), Start::Go);
    assert_eq!(start(&pool, &record_of(0, "ours", 1)).await.unwrap(), Start::Go);
    delete(&pool, "import", 5).await;
    assert_eq!(start(&pool, &begun).await.unwrap(), Start::Go, "its row would wait for ever");
    assert_eq!(start(&pool, &elsewhere("waiting")).await.unwrap(), Start::Void);
    assert_eq!(start(&pool, &record_of(0, "ours", 1)).await.unwrap(), Start::Void);
}

#[tokio::test]
async fn a_revision_comes_back_with_the_import_that_brought_it_last() {
    let pool = database("store_brought_last").await;
    for import in [import(0), Job { document: "other".parse().unwrap(), ..import(1) }] {
        assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    }
    index(&pool, &brought_by("import", 0, revision("r1", 2, "A"))).await;
    let again = brought_by("other", 1, revision("r1", 3, "A"));
    assert!(matches!(start(&pool, &again).await.unwrap(), Start::Done(_)));
    delete(&pool, "import", 4).await;
    index(&pool, &revision("r2", 5, "B")).await;
    assert_eq!(states(&pool, &["r1", "r2"]).await, ["superseded", "indexed"]);
    let Revived { document, job, since } = delete(&pool, "r2", 6).await.revived.remove(0);
    assert_eq!(job.parent, again.body.parent);
    let job = Job::new("p".parse().unwrap(), document, text("r1", 7).accepted_at, job).first_accepted(since);
    assert_eq!(start(&pool, &job).await.unwrap(), Start::Go);
}

#[tokio::test]
async fn a_document_that_fails_before_it_starts_belongs_to_the_import_that_brought_it_last() {
    let pool = database("store_failed_last").await;
    for import in [import(0), Job { document: "other".parse().unwrap(), ..import(1) }] {
        assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    }
    index(&pool, &record("r1", 2)).await;
    delete(&pool, "r1", 3).await;
    let unreadable = brought_by("other", 1, text("r1", 4));
    assert!(fail::fail(&pool, &unreadable, &damaged(), false).await.unwrap().is_some());
    let deleted = delete(&pool, "other", 5).await;
    assert_eq!(deleted.documents, ["r1", "other"].map(|id| id.parse().unwrap()));
}

#[tokio::test]
async fn a_mail_sent_again_is_read_again_because_its_attachments_may_be_gone() {
    let pool = database("store_mail").await;
    for (second, expected) in [(0, Start::Go), (1, Start::GoAfterMail)] {
        let mail = text("mail", second);
        assert_eq!(start(&pool, &mail).await.unwrap(), expected, "{second}");
        let content = Content { file_type: "eml".to_owned(), ..nothing(&mail) };
        commit(&pool, &mail, &content).await.unwrap().unwrap();
        assert!(matches!(start(&pool, &mail).await.unwrap(), Start::Done(_)), "its own job is done");
    }
}

#[tokio::test]
async fn a_record_that_starts_while_its_import_is_deleted_is_void() {
    let pool = database("store_meanwhile").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    let mut deleting = import.begin(&pool).await.unwrap();
    for sql in [
        "SELECT FROM document WHERE id = 'import' FOR UPDATE",
        "UPDATE document SET state = 'deleted', accepted_at = accepted_at + interval '5 s' WHERE id = 'import'",
    ] {
        sqlx::query(sql).execute(&mut *deleting).await.unwrap();
    }
    let record = record_of(0, "r1", 1);
    let (started, ()) = tokio::join!(start(&pool, &record), end_when_awaited(&pool, deleting));
    assert_eq!(started.unwrap(), Start::Void, "the deletion would not find it among the parts");
}

/// An attachment of the mail that was accepted at this second.
fn attachment(of: i64, document: &str) -> Job {
    let file = ObjectRef { name: format!("part-{document}"), ..stored() };
    brought_by("mail", of, job(document, of, Source::Object(file)))
}

async fn others(pool: &PgPool, mail: &Job, attached: &[&str]) -> Vec<DocumentId> {
    let attached: Vec<DocumentId> = attached.iter().map(|id| id.parse().unwrap()).collect();
    other_attachments(pool, mail, &attached).await.unwrap()
}

#[tokio::test]
async fn the_attachments_that_only_an_earlier_version_of_a_mail_had_are_found() {
    let pool = database("store_attachments").await;
    index(&pool, &text("mail", 0)).await;
    for document in ["a", "b", "c"] {
        index(&pool, &attachment(0, document)).await;
    }
    index(&pool, &brought_by("mail", 0, job("record", 1, Source::Object(stored())))).await;
    delete(&pool, "c", 2).await;
    assert_eq!(others(&pool, &text("mail", 5), &["b"]).await, ["a".parse().unwrap()]);
    assert!(others(&pool, &text("mail", 5), &["a", "b"]).await.is_empty());
    // Queued again, the earlier version does not delete what came with it or after it.
    let requeued = text("mail", 6).first_accepted(text("mail", 0).accepted_at);
    assert!(others(&pool, &requeued, &[]).await.is_empty());
}

#[tokio::test]
async fn an_attachment_that_waits_is_void_when_its_mail_is_sent_again() {
    let pool = database("store_attachments_wait").await;
    assert_eq!(start(&pool, &text("mail", 0)).await.unwrap(), Start::Go);
    assert_eq!(start(&pool, &attachment(0, "begun")).await.unwrap(), Start::Go);
    let again = text("mail", 5);
    assert_eq!(start(&pool, &again).await.unwrap(), Start::Go);
    assert_eq!(start(&pool, &attachment(0, "waiting")).await.unwrap(), Start::Void);
    assert_eq!(start(&pool, &attachment(5, "waiting")).await.unwrap(), Start::Go, "the new mail brings it");
    // What has begun goes on, but is found if the new mail does not bring it.
    assert_eq!(start(&pool, &attachment(0, "begun")).await.unwrap(), Start::Go);
    assert_eq!(others(&pool, &again, &["waiting"]).await, ["begun".parse().unwrap()]);
    // Records of an import that is sent again are documents of their own.
    assert_eq!(start(&pool, &brought_by("mail", 0, text("record", 1))).await.unwrap(), Start::Go);
}

#[tokio::test]
async fn a_mail_that_is_queued_again_does_not_make_its_attachments_void() {
    let pool = database("store_attachments_requeued").await;
    let first = text("mail", 0);
    let requeued = text("mail", 9).first_accepted(first.accepted_at);
    assert_eq!(start(&pool, &requeued).await.unwrap(), Start::Go);
    assert_eq!(start(&pool, &attachment(0, "a")).await.unwrap(), Start::Go);
    let part = |document: &str| attachment(9, document).first_accepted(first.accepted_at);
    assert_eq!(start(&pool, &part("b")).await.unwrap(), Start::Go);
    // A deletion, or the mail sent again, comes after its first acceptance.
    assert_eq!(start(&pool, &text("mail", 5)).await.unwrap(), Start::Go);
    assert_eq!(start(&pool, &part("c")).await.unwrap(), Start::Void);
    delete(&pool, "mail", 7).await;
    assert_eq!(start(&pool, &part("d")).await.unwrap(), Start::Void);
}

/// The number of stored passages, and the project's sum of them.
async fn passages(pool: &PgPool) -> (i64, i64) {
    let mut tx = scope::begin(pool, &Scope::All).await.unwrap();
    sqlx::query_as("SELECT (SELECT count(*) FROM chunk), chunks FROM project")
        .fetch_one(&mut *tx)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_attachments_of_a_superseded_mail_answer_no_longer_and_come_back_with_it() {
    let pool = database("store_attachments_superseded").await;
    index(&pool, &revision("mail", 0, "A")).await;
    index(&pool, &attachment(0, "a")).await;
    // That attachment is a mail, too.
    index(&pool, &brought_by("a", 0, attachment(0, "deeper"))).await;
    let late = attachment(0, "late");
    assert_eq!(start(&pool, &late).await.unwrap(), Start::Go);
    let newer = revision("newer", 1, "B");
    assert_eq!(start(&pool, &newer).await.unwrap(), Start::Go);
    let committed = commit(&pool, &newer, &nothing(&newer)).await.unwrap().unwrap();
    let superseded: [DocumentId; 3] = ["mail", "a", "deeper"].map(|id| id.parse().unwrap());
    assert_eq!(committed.superseded, superseded);
    let replaced = done(&pool, &newer).await.superseded;
    assert!(superseded.iter().all(|id| replaced.contains(id)), "{replaced:?}");
    index(&pool, &late).await;
    assert_eq!(states(&pool, &["mail", "a", "deeper", "late"]).await, ["superseded"; 4]);
    assert_eq!(passages(&pool).await, (0, 0));

    let Revived { document, job, since } = delete(&pool, "newer", 5).await.revived.remove(0);
    let again =
        Job::new("p".parse().unwrap(), document, text("mail", 6).accepted_at, job).first_accepted(since);
    assert_eq!(start(&pool, &again).await.unwrap(), Start::Go);
    // The mail is read again and queues its attachment.
    index(&pool, &attachment(6, "a").first_accepted(since)).await;
    index(&pool, &again).await;
    assert_eq!(states(&pool, &["mail", "a"]).await, ["indexed"; 2]);
    assert_eq!(passages(&pool).await, (2, 2));
}

#[tokio::test]
async fn an_attachment_that_is_indexed_before_its_superseded_mail_is_superseded_with_it() {
    let pool = database("store_attachments_before").await;
    index(&pool, &revision("newer", 0, "B")).await;
    let mail = revision("mail", 1, "A");
    assert_eq!(start(&pool, &mail).await.unwrap(), Start::Go);
    index(&pool, &attachment(1, "a")).await;
    let committed = commit(&pool, &mail, &nothing(&mail)).await.unwrap().unwrap();
    assert_eq!(committed.superseded, ["a".parse().unwrap()]);
    assert_eq!(states(&pool, &["newer", "mail", "a"]).await, ["indexed", "superseded", "superseded"]);
    assert_eq!(passages(&pool).await, (1, 1));
}

#[tokio::test]
async fn an_attachment_waits_for_the_decision_about_its_mail() {
    let pool = database("store_attachments_decided").await;
    let mail = revision("mail", 0, "A");
    index(&pool, &mail).await;
    let attached = attachment(0, "a");
    assert_eq!(start(&pool, &attached).await.unwrap(), Start::Go);
    let mut superseding = mail.begin(&pool).await.unwrap();
    for sql in [
        "SELECT FROM document WHERE id = 'mail' FOR UPDATE",
        "UPDATE document SET state = 'superseded', superseded_by = 'newer' WHERE id = 'mail'",
    ] {
        sqlx::query(sql).execute(&mut *superseding).await.unwrap();
    }
    let deciding = async {
        awaited(&pool, 1).await;
        // This would be a deadlock if the attachment were locked before its mail.
        sqlx::query("SELECT FROM document WHERE id = 'a' FOR UPDATE")
            .execute(&mut *superseding)
            .await
            .unwrap();
        superseding.commit().await.unwrap();
    };
    let content = nothing(&attached);
    let (committed, ()) = tokio::join!(commit(&pool, &attached, &content), deciding);
    assert_eq!(committed.unwrap().unwrap().superseded_by, Some("newer".parse().unwrap()));
}
