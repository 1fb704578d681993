//! The vector indexes of single large projects.
//!
//! In the index that all projects of a partition share, a search in one project must skip the vectors of the others: it
//! takes longer and finds less. So a large project gets an index of its own. It is created concurrently, so no commit
//! waits for it, and searches use it as soon as it is valid (query-worker/src/search/vector.rs). Only the tables' owner
//! may create an index, and not within a transaction, so this is not the work of the ingest workers.

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

/// An index to create.
#[derive(sqlx::FromRow)]
struct Wanted {
    name: String,
    partition: String,
    project: i32,
    dimension: i32,
}

/// Creates the indexes that are missing and drops those that are no longer needed, one after the other, while the
/// services work. If another process is doing this, there is nothing left to do. This takes minutes or hours, and no service
/// waits for it, so it is no part of a migration.
pub async fn index_vectors(pool: &PgPool) -> anyhow::Result<()> {
    // The lock and the settings belong to this connection, so it does not return to the pool.
    let mut connection = pool.acquire().await?.detach();
    let (only_one,): (bool,) =
        sqlx::query_as("SELECT pg_try_advisory_lock(hashtext('acorag'), hashtext('vector indexes'))")
            .fetch_one(&mut connection)
            .await?;
    if only_one {
        sqlx::query("SET statement_timeout = 0").execute(&mut connection).await?;
        tidy(&mut connection).await?;
        // The server may close the connection later than the next caller asks for the lock.
        sqlx::query("SELECT pg_advisory_unlock(hashtext('acorag'), hashtext('vector indexes'))")
            .execute(&mut connection)
            .await?;
    }
    Ok(connection.close().await?)
}

async fn tidy(connection: &mut PgConnection) -> anyhow::Result<()> {
    for name in unneeded(connection).await? {
        run(connection, format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await?;
    }
    let mut first_error = None;
    for wanted in missing(connection).await? {
        // One index that cannot be created must not keep the others from being created.
        if let Err(error) = create(connection, &wanted).await {
            tracing::warn!(index = wanted.name, error = format!("{error:#}"), "creating a vector index");
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), Err)
}

async fn create(connection: &mut PgConnection, wanted: &Wanted) -> anyhow::Result<()> {
    let Wanted { name, partition, project, dimension } = wanted;
    tracing::info!(project, "creating an index of the project's own vectors");
    // An interrupted attempt has left an invalid index.
    run(connection, format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await?;
    let create = format!(
        "CREATE INDEX CONCURRENTLY {name} ON {partition}
         USING hnsw ((vector::halfvec({dimension})) halfvec_ip_ops) WITH (m = 12, ef_construction = 128)
         WHERE project_key = {project}"
    );
    run(connection, create).await
}

/// Returns the indexes that large projects lack, for each model. 5000 is `documents::scope::LARGE`. Up to 20000
/// passages, searches without an index of the project's own compare all passages; a larger project needs none if it has
/// most of its partition's vectors.
async fn missing(connection: &mut PgConnection) -> sqlx::Result<Vec<Wanted>> {
    sqlx::query_as(
        "WITH placed AS (
             SELECT key, chunks, part, sum(chunks) OVER (PARTITION BY part) AS together
             FROM project JOIN generate_series(0, 7) AS part
                  ON satisfies_hash_partition('chunk'::regclass, 8, part, key)),
         wanted AS (
             SELECT format('embedding_%s_of_%s', number, key) AS name, format('embedding_%s_%s', number, part) AS partition,
                    key AS project, dimension
             FROM placed CROSS JOIN embedding_model
             WHERE chunks >= 5000 AND (chunks <= 20000 OR chunks * 2 <= together))
         SELECT name, partition, project, dimension
         FROM wanted LEFT JOIN pg_index ON indexrelid = to_regclass(name)
         WHERE indisvalid IS DISTINCT FROM true
         ORDER BY name",
    )
    .fetch_all(connection)
    .await
}

/// Returns the indexes of projects that became small or are gone, and of projects that now have most of their
/// partition's vectors. The limits are apart from those of [`missing`], so that no index comes and goes.
async fn unneeded(connection: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        r"WITH placed AS (
              SELECT key, chunks, sum(chunks) OVER (PARTITION BY part) AS together
              FROM project JOIN generate_series(0, 7) AS part
                   ON satisfies_hash_partition('chunk'::regclass, 8, part, key)),
          own AS (
              SELECT relname::text AS name, substring(relname FROM '\d+$')::integer AS project FROM pg_class
              WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace AND relname ~ '^embedding_\d+_of_\d+$')
          SELECT name FROM own LEFT JOIN placed ON key = project
          WHERE coalesce(chunks, 0) < 2500 OR chunks > 20000 AND chunks * 4 > together * 3
          ORDER BY name",
    )
    .fetch_all(connection)
    .await
}

/// Runs a statement outside a transaction, as CONCURRENTLY requires.
async fn run(connection: &mut PgConnection, statement: String) -> anyhow::Result<()> {
    let context = statement.clone();
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop).context(context)
}
