//! The worker's model: its number in the database, and the operator's commands that replace one model by another.

pub mod commands;
mod fill;

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use documents::{
    model::{self, Refusal},
    scope, sentences,
};
use embedding::Identity;
use schemas::Scope;
use sqlx::PgPool;

/// How long a starting worker waits for the last vectors of its model.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the number of this worker's model. Adds the model to an empty database; fails if the database has vectors of
/// another model only, or too few of this one.
pub async fn own(pool: &PgPool, identity: &Identity) -> anyhow::Result<i16> {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut tx = scope::begin(pool, &Scope::All).await?;
        let own = model::own(&mut tx, &identity.digest).await;
        drop(tx);
        match own.context("reading the models of the database: run acorag-migrate first")? {
            Ok(Some(own)) => return Ok(own.number),
            Ok(None) => return add(pool, identity).await,
            Err(Refusal::Incomplete(_)) if Instant::now() < end => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(refusal) => bail!("MODEL_DIR holds {} ({}), but {refusal}", identity.name, identity.digest),
        }
    }
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
