//! The models that made the vectors. Vectors of two models cannot be compared, so every statement about vectors names
//! one model.
//!
//! A second model is added while the first one answers. Its vectors are made from the stored passages ([`missing`],
//! [`store`]), then it becomes the answering one ([`switch`]), and the first one is dropped ([`remove`]).

use std::time::{Duration, Instant};

use pgvector::HalfVector;
use schemas::Scope;
use sqlx::{PgConnection, PgPool};

use crate::scope::{self, Settings, Tx};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Model {
    pub number: i16,
    pub name: String,
    pub digest: String,
    pub dimension: i32,
    /// Whether this is the model that answers. Another model is one whose vectors are still being made, or one that has
    /// answered before.
    pub answering: bool,
}

/// Returns all models, the oldest first.
pub async fn all(tx: &mut PgConnection) -> sqlx::Result<Vec<Model>> {
    sqlx::query_as(
        "SELECT number, name, digest, dimension, answering FROM embedding_model ORDER BY registered, number",
    )
    .fetch_all(tx)
    .await
}

/// Adds a model and returns its number. The first model of a database is the answering one. A model that is already
/// there keeps its number.
pub async fn add(pool: &PgPool, name: &str, digest: &str, dimension: usize) -> sqlx::Result<i16> {
    let dimension = i32::try_from(dimension).unwrap_or(i32::MAX);
    let add = async |tx: &mut PgConnection| {
        let call = sqlx::query_scalar("SELECT acorag_add_model($1, $2, $3)");
        call.bind(name).bind(digest).bind(dimension).fetch_one(tx).await
    };
    let (tx, number) = impatiently(pool, add).await?;
    tx.commit().await.map(|()| number)
}

/// Why a worker must not work with its model.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The database does not know the worker's model, but this one.
    #[error(
        "the database holds vectors of the model {} ({}), and vectors of two models do not compare: point MODEL_DIR at \
         that model, or add this one with `acorag-ingest-worker model add`", .0.name, .0.digest
    )]
    Unknown(Model),
    /// Too many passages have no vector of the model yet. That changes while the vectors are made.
    #[error(
        "the database lacks this model's vectors of {} of {} passages: run `acorag-ingest-worker model fill` with this \
         MODEL_DIR; `acorag-ingest-worker model status` shows the progress", .0.missing, .0.passages
    )]
    Incomplete(Coverage),
}

/// Returns the worker's own model, by its digest; `None` in a database without models. The transaction's scope must be
/// all projects.
pub async fn own(tx: &mut PgConnection, digest: &str) -> sqlx::Result<Result<Option<Model>, Refusal>> {
    let known = all(tx).await?;
    let Some(model) = known.iter().find(|model| model.digest == digest).cloned() else {
        let answering = known.into_iter().find(|model| model.answering);
        return Ok(answering.map_or(Ok(None), |model| Err(Refusal::Unknown(model))));
    };
    if !model.answering {
        let coverage = coverage(tx, model.number).await?;
        // The passages of the last seconds may be missing, because their vectors are made a moment after their commit: at
        // most 1 % of all.
        if coverage.missing.saturating_mul(100) > coverage.passages {
            return Ok(Err(Refusal::Incomplete(coverage)));
        }
    }
    Ok(Ok(Some(model)))
}

/// How long a starting worker waits for the last vectors of its model.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a worker looks whether the database still has its model.
const LOOK: Duration = Duration::from_secs(30);

/// Returns [`own`]. While only some vectors of the model are missing, this waits for them a while. `service` are
/// the settings of the service's transactions.
pub async fn own_patiently(
    pool: &PgPool,
    service: &Settings<'_>,
    digest: &str,
) -> sqlx::Result<Result<Option<Model>, Refusal>> {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut tx = scope::begin_as(pool, service, &Scope::All).await?;
        let found = own(&mut tx, digest).await?;
        drop(tx);
        if !matches!(found, Err(Refusal::Incomplete(_))) || Instant::now() > end {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Completes when the database has lost a worker's model, or has got its first model and it is another one. `number` is
/// the number of the worker's model, once it is known.
pub async fn lost(pool: &PgPool, service: &Settings<'_>, digest: &str, number: impl Fn() -> Option<i16>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let models = async {
            let mut tx = scope::begin_as(pool, service, &Scope::All).await?;
            all(&mut tx).await
        };
        // The readiness check reports that the database is unavailable.
        let Ok(models) = models.await else { continue };
        let stored = models.iter().find(|model| model.digest == digest).map(|model| model.number);
        if !models.is_empty() && (stored.is_none() || number().is_some_and(|number| stored != Some(number))) {
            return;
        }
    }
}

/// Whether vectors could not be stored because their model was dropped: then their table has no partition for them.
pub fn is_dropped(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.is_check_violation() && matches!(error.table(), Some("embedding" | "sentence"))
    })
}

#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Coverage {
    pub passages: i64,
    /// Number of passages without a vector of the model.
    pub missing: i64,
}

/// Counts the passages in the transaction's scope.
pub async fn coverage(tx: &mut PgConnection, model: i16) -> sqlx::Result<Coverage> {
    // A vector exists only as long as its passage, so the numbers can be subtracted.
    sqlx::query_as(
        "SELECT passages, passages - vectors AS missing
         FROM (SELECT coalesce(sum(chunks), 0)::bigint AS passages FROM project) AS project,
              (SELECT count(*) AS vectors FROM embedding WHERE model = $1) AS embedding",
    )
    .bind(model)
    .fetch_one(tx)
    .await
}

/// Returns the projects that have passages without a vector of the model, by their keys and ids, and the number of
/// these passages.
pub async fn incomplete(tx: &mut PgConnection, model: i16) -> sqlx::Result<Vec<(i32, String, i64)>> {
    sqlx::query_as(
        "SELECT key, id, chunks - coalesce(vectors, 0) FROM project
         LEFT JOIN (SELECT project_key, count(*) AS vectors FROM embedding WHERE model = $1 GROUP BY project_key) AS made
              ON project_key = key
         WHERE chunks > coalesce(vectors, 0) ORDER BY key",
    )
    .bind(model)
    .fetch_all(tx)
    .await
}

#[derive(Debug, sqlx::FromRow)]
pub struct Missing {
    pub chunk_key: i64,
    pub document_key: i64,
    pub heading: String,
    pub text: String,
}

/// Returns the last passages of a project, in descending order of their keys and before the key `before`, that have no
/// vector of the model. The newest come first: when the others are complete, the search for them ends at once.
pub async fn missing(
    tx: &mut PgConnection,
    model: i16,
    project_key: i32,
    before: i64,
    limit: i64,
) -> sqlx::Result<Vec<Missing>> {
    // The keys are found in the indexes; only the texts that are needed are read.
    sqlx::query_as(
        "SELECT key AS chunk_key, document_key, heading, text FROM chunk
         WHERE project_key = $1 AND key = ANY(ARRAY(
             SELECT key FROM chunk c
             WHERE project_key = $1 AND key < $3 AND NOT EXISTS (
                 SELECT FROM embedding e
                 WHERE e.model = $2 AND e.project_key = $1 AND e.chunk_key < $3 AND e.chunk_key = c.key)
             ORDER BY key DESC LIMIT $4))
         ORDER BY key DESC",
    )
    .bind(project_key)
    .bind(model)
    .bind(before)
    .bind(limit)
    .fetch_all(tx)
    .await
}

/// A vector that was made for a stored passage.
#[derive(Debug)]
pub struct Made {
    pub chunk_key: i64,
    pub document_key: i64,
    pub vector: Vec<f32>,
    /// The vectors of its sentences ([`crate::sentences::encode`]); empty if it has none.
    pub sentences: Vec<u8>,
}

/// Stores the vectors of passages of a project; returns false, and stores nothing, if a passage was removed meanwhile.
pub async fn store(pool: &PgPool, model: i16, project_key: i32, made: &[Made]) -> sqlx::Result<bool> {
    let mut tx = scope::begin(pool, &Scope::All).await?;
    // In the order of their keys, as a deletion goes, so that the two cannot deadlock.
    let stored = sqlx::query(
        "WITH made AS (
             SELECT * FROM unnest($3::bigint[], $4::bigint[], $5::halfvec[], $6::bytea[])
                  AS made(chunk_key, document_key, vector, sentences) ORDER BY chunk_key),
         embedded AS (
             INSERT INTO embedding (project_key, model, chunk_key, document_key, vector)
             SELECT $1, $2, chunk_key, document_key, vector FROM made
             ON CONFLICT DO NOTHING)
         INSERT INTO sentence (project_key, model, chunk_key, data)
         SELECT $1, $2, chunk_key, sentences FROM made WHERE sentences <> ''
         ON CONFLICT DO NOTHING",
    )
    .bind(project_key)
    .bind(model)
    .bind(made.iter().map(|made| made.chunk_key).collect::<Vec<_>>())
    .bind(made.iter().map(|made| made.document_key).collect::<Vec<_>>())
    .bind(made.iter().map(|made| HalfVector::from_f32_slice(&made.vector)).collect::<Vec<_>>())
    .bind(made.iter().map(|made| made.sentences.as_slice()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await;
    match stored {
        Ok(_) => tx.commit().await.map(|()| true),
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the model the answering one as soon as it has a vector of every passage. Commits wait meanwhile, so that no
/// passage is added. If vectors are still missing after `patience`, nothing is changed and the coverage is returned.
pub async fn switch(pool: &PgPool, model: i16, patience: Duration) -> sqlx::Result<Coverage> {
    let lock = async |tx: &mut PgConnection| sqlx::query("LOCK TABLE chunk IN SHARE MODE").execute(tx).await;
    let (mut tx, _) = impatiently(pool, lock).await?;
    let end = Instant::now() + patience;
    loop {
        let coverage = coverage(&mut tx, model).await?;
        if coverage.missing == 0 {
            // Two statements, because at every moment at most one model may be the answering one.
            sqlx::query("UPDATE embedding_model SET answering = false WHERE answering")
                .execute(&mut *tx)
                .await?;
            sqlx::query("UPDATE embedding_model SET answering = true WHERE number = $1")
                .bind(model)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            return Ok(coverage);
        }
        if Instant::now() > end {
            return Ok(coverage);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Drops a model that does not answer, with all its vectors.
pub async fn remove(pool: &PgPool, model: i16) -> sqlx::Result<()> {
    let remove = async |tx: &mut PgConnection| {
        sqlx::query("SELECT acorag_drop_model($1)").bind(model).execute(tx).await
    };
    let (tx, _) = impatiently(pool, remove).await?;
    tx.commit().await
}

/// How often a change of the tables is tried, and how long it waits for its locks each time. Searches and commits wait
/// behind a change that waits, so it waits only for moments.
const ATTEMPTS: u32 = 100;
const LOCK_MILLIS: &str = "300";
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Makes a change of the tables, again and again while others hold a lock that it needs. Returns its transaction, in which
/// statements fail if they must wait for a lock, and its result.
async fn impatiently<T>(
    pool: &PgPool,
    change: impl AsyncFn(&mut PgConnection) -> sqlx::Result<T>,
) -> sqlx::Result<(Tx, T)> {
    let mut attempts = ATTEMPTS;
    loop {
        let mut tx = scope::begin(pool, &Scope::All).await?;
        let limit = sqlx::query("SELECT set_config('lock_timeout', $1, true)").bind(LOCK_MILLIS);
        limit.execute(&mut *tx).await?;
        attempts -= 1;
        match change(&mut tx).await {
            Ok(result) => return Ok((tx, result)),
            Err(sqlx::Error::Database(error))
                if attempts > 0 && error.code().as_deref() == Some(LOCK_NOT_AVAILABLE) => {}
            Err(error) => return Err(error),
        }
        tx.rollback().await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[cfg(test)]
mod tests;
