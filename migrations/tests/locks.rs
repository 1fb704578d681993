//! Migrates a database that is in use.

#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

use std::time::Duration;

use devstack::{Options, Stack};
use sqlx::PgPool;

#[tokio::test]
async fn a_migration_waits_for_a_table_in_use_and_nobody_waits_for_the_migration() {
    let url = tokio::task::spawn_blocking(|| {
        let stack = Stack::start(Options { redis_url: Some(String::new()), ..Options::default() }).unwrap();
        let url = stack.database("locks").unwrap();
        (stack, url)
    });
    let (_stack, url) = url.await.unwrap();
    let pool = PgPool::connect(&url).await.unwrap();
    migrations::postgres(&pool).await.unwrap();
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 6").execute(&pool).await.unwrap();
    let read = "SELECT count(*) FROM chunk";
    let mut reading = pool.begin().await.unwrap();
    sqlx::query(read).execute(&mut *reading).await.unwrap();
    let migrating = tokio::spawn({
        let pool = pool.clone();
        async move { migrations::postgres(&pool).await }
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let reading = sqlx::query(read).execute(&pool);
        tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap().unwrap();
    }
    assert!(!migrating.is_finished());
    reading.rollback().await.unwrap();
    migrating.await.unwrap().unwrap();
}
