//! What the tombstones of many documents cost later.

use schemas::{Scope, document::ListFilter};
use sqlx::PgConnection;

use crate::{
    read,
    scope::{self, Projects},
    tests::{database, index_document, owner},
};

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
    let key: i32 = sqlx::query_scalar("SELECT key FROM project").fetch_one(&owner).await.unwrap();
    let as_query_worker = [("role", "acorag_query"), ("plan_cache_mode", "force_custom_plan")];
    let (mut one, mut everything) = (Projects::default(), Projects::default());
    one.keys = vec![key];
    everything.everything = true;
    for projects in [one, everything] {
        let mut tx = scope::begin_as(&pool, &as_query_worker, &Scope::All).await.unwrap();
        let before = rows_read(&mut tx).await;
        let (documents, _) =
            read::list(&mut tx, &projects, &ListFilter::default(), None, &[], 50, |_| true).await.unwrap();
        assert_eq!(documents.len(), 2);
        let read = rows_read(&mut tx).await - before;
        assert!(read < 100, "{read} rows for a page of two documents ({projects:?})");
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
