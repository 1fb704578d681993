//! All ways in which a queue that is older than the database can differ from it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::SubsecRound as _;
use devstack::{Options, Stack};
use serde_json::{Value, json};

use super::*;

/// A point in time with more digits than the database stores.
fn moment(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_600_000_000 + second, 123_456_789).unwrap()
}

fn message(subject: &str, second: i64, body: &Value) -> Message {
    let payload = STANDARD.encode(body.to_string());
    let message = json!({"subject": subject, "time": moment(second), "headers": [], "payload": payload});
    serde_json::from_value(message).unwrap()
}

fn job(kind: JobKind, document: &str, second: i64, body: &Value) -> Message {
    message(&subjects::job(kind, &"p".parse().unwrap(), &document.parse().unwrap()), second, body)
}

fn file(name: &str) -> Value {
    json!({"object": {"name": name, "size": 1, "sha256": "00AA"}})
}

/// A record of the import that was accepted at this second. An earlier release did not note the time.
fn record_of(import: &str, second: Option<i64>) -> Value {
    let accepted_at = second.map(|second| moment(second).trunc_subsecs(6));
    json!({"text": "Losa", "parent": {"project_id": "p", "document_id": import, "accepted_at": accepted_at}})
}

async fn document(
    connection: &mut PgConnection,
    id: &str,
    state: &str,
    second: i64,
    object: &str,
    job: Option<Value>,
) {
    sqlx::query(
        "INSERT INTO document (project_key, id, state, accepted_at, object, job)
         SELECT key, $1, $2, $3, $4, $5 FROM project",
    )
    .bind(id)
    .bind(state)
    .bind(moment(second).trunc_subsecs(6))
    .bind(object)
    .bind(job)
    .execute(connection)
    .await
    .unwrap();
}

#[tokio::test]
async fn the_queue_is_compared_with_the_database() {
    let stack = tokio::task::spawn_blocking(|| Stack::start(Options::default()).unwrap()).await.unwrap();
    let pool = sqlx::PgPool::connect(stack.database_url()).await.unwrap();
    migrations::postgres(&pool).await.unwrap();
    let db = &mut *pool.acquire().await.unwrap();
    sqlx::query("INSERT INTO project (id) VALUES ('p')").execute(&mut *db).await.unwrap();

    document(db, "done", "indexed", 1, "file-done", None).await;
    document(db, "deleted", "deleted", 2, "", None).await;
    document(db, "begun", "processing", 1, "", None).await;
    document(db, "lost", "processing", 5, "", None).await;
    document(db, "changing", "processing", 5, "file-old", Some(file("file-old"))).await;
    document(db, "import-open", "processing", 1, "file-import", Some(file("file-import"))).await;
    document(db, "import-alone", "processing", 1, "file-alone", Some(file("file-alone"))).await;
    document(db, "import-deleted", "deleted", 3, "", None).await;
    document(db, "anew", "indexed", 4, "file-anew", None).await;

    // The log ended in the middle of a deletion.
    document(db, "half", "deleted", 6, "", None).await;
    document(db, "left", "indexed", 2, "file-left", None).await;
    // This record came after the deletion.
    document(db, "whole", "deleted", 6, "", None).await;
    document(db, "later", "indexed", 7, "file-later", None).await;
    // The revision that superseded it was deleted, and the job that would index it again is lost.
    document(db, "newer", "deleted", 6, "", None).await;
    document(db, "older", "superseded", 2, "file-older", Some(file("file-older"))).await;
    document(db, "oldest", "superseded", 1, "file-oldest", Some(file("file-oldest"))).await;
    // An attachment that was superseded with its mail.
    document(db, "superseded", "superseded", 2, "", Some(file("file-superseded"))).await;
    // Attachments of this mail may be lost.
    document(db, "mail", "indexed", 3, "file-mail", None).await;
    // Only records of these imports are in the queue. The third one was sent again since, the fourth one has failed.
    document(db, "import-awaited", "processing", 1, "", Some(file("file-awaited"))).await;
    document(db, "import-timeless", "processing", 1, "", Some(file("file-timeless"))).await;
    document(db, "import-again", "processing", 5, "", Some(file("file-again"))).await;
    document(db, "import-failed", "failed", 1, "", None).await;
    document(db, "import-replaced", "processing", 1, "", None).await;
    // Records in progress: of an import that will go on, of its earlier content, of imports that will not bring them again, and of
    // an import whose deletion left it.
    document(db, "record-open", "processing", 2, "", Some(file("file-record"))).await;
    document(db, "record-before", "processing", 0, "", None).await;
    document(db, "record-lost", "processing", 2, "", None).await;
    document(db, "record-replaced", "processing", 2, "", None).await;
    document(db, "record-begun", "processing", 1, "", None).await;
    // Attachments in progress of the mail, one of which is a mail, too.
    document(db, "attached", "processing", 4, "", Some(file("file-attached"))).await;
    document(db, "attached-mail", "processing", 4, "", None).await;
    document(db, "attached-deeper", "processing", 5, "", None).await;
    for (document, parent) in [
        ("left", "half"),
        ("later", "whole"),
        ("older", "import-open"),
        ("record-open", "import-open"),
        ("record-before", "import-open"),
        ("record-lost", "import-failed"),
        ("record-replaced", "import-replaced"),
        ("attached", "mail"),
        ("attached-mail", "mail"),
        ("attached-deeper", "attached-mail"),
    ] {
        sqlx::query(
            "UPDATE document SET (parent_project, parent_key) = (SELECT project_key, key FROM document WHERE id = $2)
             WHERE id = $1",
        )
        .bind(document)
        .bind(parent)
        .execute(&mut *db)
        .await
        .unwrap();
    }
    for sql in [
        "UPDATE document SET superseded_by = 'newer' WHERE id = 'older'",
        "UPDATE document SET superseded_by = 'older' WHERE id = 'oldest'",
        "UPDATE document SET superseded_by = 'anew' WHERE id = 'superseded'",
        "UPDATE document SET number_norm = 'PL1' WHERE id = 'anew'",
        "UPDATE document SET file_type = 'eml' WHERE id = 'mail'",
    ] {
        sqlx::query(sql).execute(&mut *db).await.unwrap();
    }

    let kept = [
        job(JobKind::Document, "begun", 1, &json!({"text": "Losa"})),
        job(JobKind::Document, "unknown", 1, &file("file-unknown")),
        job(JobKind::Import, "import-open", 1, &file("file-import")),
        job(JobKind::Document, "import-replaced", 6, &file("file-replaced")),
        job(JobKind::Record, "record-1", 1, &record_of("import-awaited", Some(1))),
        job(JobKind::Record, "record-3", 1, &record_of("import-timeless", None)),
        job(JobKind::Record, "record-4", 1, &record_of("import-again", Some(1))),
        job(JobKind::Record, "record-5", 1, &record_of("import-failed", Some(1))),
        job(JobKind::Record, "record-begun", 1, &record_of("import-deleted", Some(1))),
        job(JobKind::Delete, "done", 3, &json!({})),
        job(JobKind::Document, "unreadable", 1, &json!({"metadata": 1})),
        message(&subjects::dead_letter("ingest-document"), 1, &file("file-dead")),
        job(
            JobKind::Document,
            "sent",
            1,
            &json!({"file": {"id": "f", "size": 1, "sha256": "aa".repeat(32)}}),
        ),
        message("acorag.v1.file.p.f", 1, &json!("{\"object\": {\"name\": \"no-job\"}}")),
    ];
    let settled = [
        job(JobKind::Document, "done", 1, &file("file-done")),
        job(JobKind::Document, "deleted", 1, &file("file-deleted")),
        job(JobKind::Record, "record-2", 1, &record_of("import-deleted", Some(1))),
        // The document was uploaded again after its deletion.
        job(JobKind::Delete, "anew", 3, &json!({})),
        job(JobKind::Document, "mail", 3, &file("file-mail")),
    ];
    let queue = settled.into_iter().chain(kept).map(Ok);
    let plan = plan(db, futures::stream::iter(queue)).await.unwrap();

    assert_eq!((plan.settled, plan.lost), (HashSet::from([0, 1, 2, 3, 4]), 4));
    let since = |message: &Message| message.since().trunc_subsecs(6);
    let again: Vec<_> = plan.again.iter().map(|again| (again.subject.as_str(), since(again))).collect();
    let expected = [
        ("acorag.v1.ingest.document.p.mail", 3),
        ("acorag.v1.ingest.upload.p.import-alone", 1),
        ("acorag.v1.ingest.upload.p.older", 2),
        ("acorag.v1.ingest.upload.p.changing", 5),
        ("acorag.v1.ingest.upload.p.import-again", 5),
        ("acorag.v1.ingest.delete.p.half", 6),
    ];
    assert_eq!(again, expected.map(|(subject, second)| (subject, moment(second).trunc_subsecs(6))));
    // They are newer than all that is in the database.
    assert!(plan.again.iter().all(|message| message.accepted_at() > message.since()));
    let files: Vec<&str> = plan.files.iter().map(|wanted| wanted.name.as_str()).collect();
    for wanted in
        ["file-done", "file-old", "file-import", "file-alone", "file-anew", "file-unknown", "file-dead"]
    {
        assert!(files.contains(&wanted), "{wanted}: {files:?}");
    }
    assert!(!files.contains(&"file-deleted") && !files.contains(&"no-job"), "{files:?}");
    // A producer's file may still be in parts, as here, or already be an object, so the object is not
    // required.
    let sent: Vec<&Wanted> = plan.files.iter().filter(|wanted| !wanted.is_needed).collect();
    assert!(matches!(sent[..], [wanted] if wanted.name.starts_with("sent-")), "{sent:?}");
    let (state, reason): (String, Value) =
        sqlx::query_as("SELECT state, reason FROM document WHERE id = 'lost'")
            .fetch_one(&mut *db)
            .await
            .unwrap();
    assert_eq!((state.as_str(), &reason["code"]), ("failed", &json!("lost_in_restore")));
    let waiting: Vec<String> =
        sqlx::query_scalar("SELECT id FROM document WHERE state = 'processing' ORDER BY id")
            .fetch_all(&mut *db)
            .await
            .unwrap();
    let expected = [
        "attached",
        "attached-deeper",
        "attached-mail",
        "begun",
        "changing",
        "import-again",
        "import-alone",
        "import-awaited",
        "import-open",
        "import-replaced",
        "import-timeless",
        "record-begun",
        "record-open",
    ];
    assert_eq!(waiting, expected);
}
