//! Tests the metrics with a real queue and a real database, in the worker's own role.

use devstack::{Options, Stack};
use platform::metrics::render;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::*;

/// Returns a value as Prometheus reads it.
fn shown(registry: &Registry, series: &str) -> Option<i64> {
    let text = render(registry).unwrap();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_are_the_queues_and_the_databases() {
    let stack = tokio::task::spawn_blocking(|| Stack::start(Options::default()).unwrap()).await.unwrap();
    let owner = PgPool::connect(stack.database_url()).await.unwrap();
    let settings = config(stack.nats_url());
    let nats = settings.nats.connect("test").await.unwrap();
    migrations::postgres(&owner).await.unwrap();
    migrations::nats(&nats, &settings.streams).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO project (id) VALUES ('p');
         INSERT INTO document (project_key, id, state, accepted_at) VALUES
             (1, 'a', 'indexed', now()), (1, 'b', 'indexed', now()), (1, 'c', 'deleted', now()),
             (1, 'young', 'processing', now()), (1, 'queued', 'processing', now() - interval '1 hour'),
             (1, 'stuck', 'processing', now() - interval '1 hour');
         INSERT INTO backup_run (kind, started_at, finished_at, bytes) VALUES
             ('base', now(), to_timestamp(1000), 0), ('base', now(), to_timestamp(2000), 0)",
    )
    .execute(&owner)
    .await
    .unwrap();
    let project: ProjectId = "p".parse().unwrap();
    for document in ["queued", "other"] {
        let document: DocumentId = document.parse().unwrap();
        let job = subjects::job(JobKind::Document, &project, &document);
        nats.publish_raw(job, async_nats::HeaderMap::new(), "{}".into()).await.unwrap();
    }
    let dead = subjects::dead_letter(&subjects::ingest_consumer(JobKind::Document));
    nats.publish_raw(dead, async_nats::HeaderMap::new(), "{}".into()).await.unwrap();

    let options: PgConnectOptions = stack.database_url().parse().unwrap();
    let pool = PgPoolOptions::new().connect_with(options.options([("role", "acorag_ingest")])).await.unwrap();
    let registry = Registry::new();
    let pipeline = Pipeline::new(&registry, nats, pool).unwrap();
    pipeline.refresh(0).await;
    for (series, value) in [
        (r#"acorag_queue_pending{consumer="ingest-document"}"#, Some(2)),
        (r#"acorag_queue_pending{consumer="ingest-record"}"#, Some(0)),
        (r#"acorag_queue_pending{consumer="query-search"}"#, Some(0)),
        (r#"acorag_queue_under_way{consumer="ingest-document"}"#, Some(0)),
        (r#"acorag_queue_redelivered{consumer="ingest-document"}"#, Some(0)),
        ("acorag_dead_letters", Some(1)),
        (r#"acorag_documents{state="indexed"}"#, Some(2)),
        (r#"acorag_documents{state="processing"}"#, Some(3)),
        (r#"acorag_documents{state="failed"}"#, Some(0)),
        (r#"acorag_documents{state="deleted"}"#, None),
        ("acorag_jobs_stuck", Some(1)),
        (r#"acorag_backup_last_success_timestamp_seconds{kind="base"}"#, Some(2000)),
        (r#"acorag_backup_last_success_timestamp_seconds{kind="files"}"#, None),
        // The development server archives nothing.
        ("acorag_wal_unarchived_segments", None),
    ] {
        assert_eq!(shown(&registry, series), value, "{series}");
    }
    assert!(shown(&registry, "acorag_queue_oldest_seconds").is_some_and(|age| age < 300));

    // A value that can no longer be read is removed; the queue's values stay.
    sqlx::raw_sql("REVOKE SELECT ON document FROM acorag_ingest").execute(&owner).await.unwrap();
    pipeline.refresh(1).await;
    assert_eq!(shown(&registry, "acorag_jobs_stuck"), None);
    let indexed = r#"acorag_documents{state="indexed"}"#;
    assert_eq!(shown(&registry, indexed), Some(2), "documents are not counted in every round");
    pipeline.refresh(DOCUMENTS_EVERY).await;
    assert_eq!(shown(&registry, indexed), None);
    assert_eq!(shown(&registry, "acorag_dead_letters"), Some(1));
}

#[derive(clap::Parser)]
pub struct Settings {
    #[command(flatten)]
    pub nats: platform::nats::Config,
    #[command(flatten)]
    pub streams: migrations::StreamSettings,
}

pub fn config(nats_url: &str) -> Settings {
    clap::Parser::parse_from(["test", "--nats-url", nats_url])
}
