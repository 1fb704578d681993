//! The vector indexes of a database: dropped before very many vectors are written, and made again afterwards.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, PgPool};

/// Drops every vector index; returns the statements that make them again. They are read from the catalogue, so this
/// works whatever the tables are called.
pub async fn drop_all(pool: &PgPool) -> Result<Vec<String>> {
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.oid::regclass::text, pg_get_indexdef(c.oid) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
         WHERE a.amname = 'hnsw' AND c.relkind IN ('i', 'I')
           -- The indexes of partitions go and come with the index that they belong to.
           AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)",
    )
    .fetch_all(pool)
    .await?;
    for (name, _) in &indexes {
        sqlx::raw_sql(AssertSqlSafe(format!("DROP INDEX {name}"))).execute(pool).await?;
    }
    // With `ON ONLY`, as PostgreSQL reports it, an index would be created without the indexes of the partitions.
    Ok(indexes.into_iter().map(|(_, definition)| definition.replace(" ON ONLY ", " ON ")).collect())
}

pub async fn make_again(pool: &PgPool, dropped: Vec<String>) -> Result<()> {
    let mut connection = pool.acquire().await?;
    // About what a graph of a million vectors takes; with less memory, the rest is indexed one by one.
    sqlx::query("SET maintenance_work_mem = '2GB'").execute(&mut *connection).await?;
    let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *connection).await?;
    let making = async {
        for statement in dropped {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        made = making => made?,
        failed = watch(pool, process) => failed.context("watching the indexing")?,
    }
    sqlx::query("RESET maintenance_work_mem").execute(&mut *connection).await?;
    Ok(())
}

/// Says now and then how far the indexing is. Returns only if this fails.
async fn watch(pool: &PgPool, process: i32) -> Result<()> {
    const EVERY: Duration = Duration::from_secs(10);
    let started = Instant::now();
    loop {
        tokio::time::sleep(EVERY).await;
        let now: Option<(String, i64, i64)> = sqlx::query_as(
            "SELECT relid::regclass::text, blocks_done, blocks_total FROM pg_stat_progress_create_index WHERE pid = $1",
        )
        .bind(process)
        .fetch_optional(pool)
        .await?;
        if let Some((table, done, all)) = now {
            let took = started.elapsed().as_secs();
            eprintln!("  indexing the vectors of {table}: {done} of {all} blocks, {took} s so far");
        }
    }
}
