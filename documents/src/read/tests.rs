//! What a page of the list reads.

use schemas::{
    Scope,
    document::{ListFilter, State},
};
use sqlx::{PgConnection, PgPool};

use crate::{
    read,
    scope::{self, Projects},
    tests::{database, index_document, owner},
};

/// Lists documents in their only project, and in all projects. Each page must have this many documents, and read few others.
async fn check(pool: &PgPool, filter: &ListFilter, expected: usize) {
    let (mut one, mut everything) = (Projects::default(), Projects::default());
    one.keys =
        vec![sqlx::query_scalar("SELECT key FROM project").fetch_one(&owner(pool).await).await.unwrap()];
    everything.everything = true;
    let as_query_worker = [("role", "acorag_query"), ("plan_cache_mode", "force_custom_plan")];
    for projects in [one, everything] {
        let mut tx = scope::begin_as(pool, &as_query_worker, &Scope::All).await.unwrap();
        let before = rows_read(&mut tx).await;
        let (documents, _) = read::list(&mut tx, &projects, filter, None, &[], 50, |_| true).await.unwrap();
        assert_eq!(documents.len(), expected);
        let read = rows_read(&mut tx).await - before;
        assert!(read < 100, "{read} rows for a page of {expected} ({filter:?}, {projects:?})");
    }
}

/// The rows of documents that the statements of this connection have read lately.
async fn rows_read(tx: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint
         FROM pg_stat_xact_user_tables WHERE relname = 'document'",
    )
    .fetch_one(tx)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_page_of_the_list_reads_no_tombstones() {
    let pool = database("delete_list").await;
    index_document(&pool, "a").await;
    index_document(&pool, "b").await;
    let owner = owner(&pool).await;
    for sql in [
        "INSERT INTO document (project_key, id, state, accepted_at)
         SELECT key, 'gone-' || n, 'deleted', now() FROM project, generate_series(1, 20000) AS n",
        "ANALYZE document",
    ] {
        sqlx::query(sql).execute(&owner).await.unwrap();
    }
    check(&pool, &ListFilter::default(), 2).await;
}

#[tokio::test]
async fn a_page_of_the_few_that_failed_or_came_with_a_mail_reads_no_others() {
    let pool = database("read_few").await;
    index_document(&pool, "a").await;
    let owner = owner(&pool).await;
    for sql in [
        "INSERT INTO document (project_key, id, state, parent_id, accepted_at)
         SELECT key, 'other-' || n, 'indexed', 'import', now() FROM project, generate_series(1, 20000) AS n",
        "UPDATE document SET state = 'failed', parent_id = 'mail', accepted_at = now() - interval '1 day' WHERE id = 'a'",
        "ANALYZE document",
    ] {
        sqlx::query(sql).execute(&owner).await.unwrap();
    }
    let (state, parent_id) = (Some(State::Failed), Some("mail".parse().unwrap()));
    check(&pool, &ListFilter { state, ..ListFilter::default() }, 1).await;
    check(&pool, &ListFilter { parent_id, ..ListFilter::default() }, 1).await;
}
