//! Checks that this worker's embedding model is the one that made the vectors in the database.

use anyhow::{Context as _, bail};
use embedding::Identity;
use sqlx::PgPool;

/// Registers the embedding model in an empty database; fails if another one is already registered.
pub async fn register(pool: &PgPool, identity: &Identity) -> anyhow::Result<()> {
    let column: i32 = sqlx::query_scalar(
        "SELECT atttypmod FROM pg_attribute WHERE attrelid = 'embedding'::regclass AND attname = 'vector'",
    )
    .fetch_one(pool)
    .await
    .context("reading the schema: run acorag-migrate first")?;
    let dimension = i32::try_from(identity.dimension).unwrap_or(i32::MAX);
    if dimension != column {
        bail!(
            "MODEL_DIR holds {}, which makes vectors of {dimension} numbers, but the database stores vectors of \
             {column}. Point MODEL_DIR at a model of dimension {column}, or change the type of embedding.vector in an \
             empty database.",
            identity.name
        );
    }
    sqlx::query(
        "INSERT INTO embedding_model (name, digest, dimension) VALUES ($1, $2, $3) ON CONFLICT (only_one) DO NOTHING",
    )
    .bind(&identity.name)
    .bind(&identity.digest)
    .bind(dimension)
    .execute(pool)
    .await?;
    let (name, digest): (String, String) =
        sqlx::query_as("SELECT name, digest FROM embedding_model").fetch_one(pool).await?;
    if digest != identity.digest {
        bail!(
            "the database holds vectors of the model {name} ({digest}), but MODEL_DIR holds {} ({}). Vectors of two \
             models do not compare: point MODEL_DIR at the database's model, or use an empty database.",
            identity.name,
            identity.digest
        );
    }
    Ok(())
}
