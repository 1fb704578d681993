//! Creates the vector indexes of single large projects that the ingest workers have not created. The workers'
//! `CREATE INDEX` blocks commits, which would take too long for a project that is already very large. `CREATE
//! INDEX CONCURRENTLY` does not block them.

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, PgPool};

/// Creates the missing indexes one after the other, while the services work.
pub(crate) async fn index(pool: &PgPool) -> anyhow::Result<()> {
    // 5000 is documents::scope::LARGE.
    let missing: Vec<(i32, String)> = sqlx::query_as(
        "WITH placed AS (
             SELECT key, chunks, partition FROM project
             CROSS JOIN LATERAL (SELECT tableoid::regclass::text AS partition FROM embedding
                                 WHERE project_key = key LIMIT 1) AS place)
         SELECT key, partition FROM placed
         LEFT JOIN pg_index ON indexrelid = to_regclass('embedding_of_' || key)
         WHERE chunks >= 5000 AND indisvalid IS DISTINCT FROM true
           AND chunks * 2 <= (SELECT sum(chunks) FROM placed AS other WHERE other.partition = placed.partition)",
    )
    .fetch_all(pool)
    .await?;
    let mut connection = pool.acquire().await?;
    sqlx::query("SET statement_timeout = 0").execute(&mut *connection).await?;
    for (project, partition) in missing {
        tracing::info!(project, "making an index of the project's own vectors");
        // Each statement runs outside a transaction, as CONCURRENTLY requires. An earlier run that was
        // interrupted has left an invalid index, which is dropped first.
        for statement in [
            format!("DROP INDEX CONCURRENTLY IF EXISTS embedding_of_{project}"),
            format!(
                "CREATE INDEX CONCURRENTLY embedding_of_{project} ON {partition} USING hnsw (vector halfvec_ip_ops)
                 WITH (m = 16, ef_construction = 64) WHERE project_key = {project}"
            ),
        ] {
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut *connection)
                .await
                .with_context(|| format!("indexing the vectors of project {project}"))?;
        }
    }
    // The connection returns to the pool, so its time limit is restored.
    sqlx::query("RESET statement_timeout").execute(&mut *connection).await?;
    Ok(())
}
