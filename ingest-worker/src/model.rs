//! The worker's model: its number in the database, and the operator's commands that replace one model by another.

pub mod commands;
mod fill;

use anyhow::{Context as _, bail};
use documents::{model, scope, sentences};
use embedding::Identity;
use sqlx::PgPool;

use crate::app::App;

/// Returns the number of this worker's model. Adds the model to an empty database; fails if the database has vectors of
/// another model only, or too few of this one.
pub async fn own(pool: &PgPool, identity: &Identity) -> anyhow::Result<i16> {
    let own = model::own_patiently(pool, scope::INGEST, &identity.digest).await;
    match own.context("reading the models of the database: run acorag-migrate first")? {
        Ok(Some(own)) => Ok(own.number),
        Ok(None) => add(pool, identity).await,
        Err(refusal) => bail!("MODEL_DIR holds {} ({}), but {refusal}", identity.name, identity.digest),
    }
}

/// Ends with an error when the database loses this worker's model.
pub async fn watch(app: App) -> anyhow::Result<()> {
    let Identity { name, digest, .. } = app.model.identity();
    model::lost(&app.pool, scope::INGEST, digest, || Some(app.model_number)).await;
    bail!("the database no longer holds the vectors of MODEL_DIR: {name} ({digest})")
}

async fn add(pool: &PgPool, Identity { name, digest, dimension }: &Identity) -> anyhow::Result<i16> {
    let added = model::add(pool, name, digest, *dimension).await;
    added.with_context(|| format!("adding the model {name}"))
}

/// Returns what of a passage is embedded, when it is indexed and when another model follows.
pub fn to_embed(heading: &str, text: &str) -> embedding::Passage {
    let (text, sentences) = sentences::to_embed(heading, text);
    embedding::Passage { text, sentences }
}
