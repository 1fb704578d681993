//! The worker's model in the database: searches compare the query only with this model's vectors.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use documents::model::{self, Refusal};
use embedding::Identity;
use schemas::Scope;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::scope;

/// How long a starting worker waits for the last vectors of its model.
const PATIENCE: Duration = Duration::from_secs(60);

/// The vectors that this worker searches.
#[derive(Debug, Clone)]
pub struct Vectors {
    identity: Identity,
    /// The number of the model; unknown as long as the database has no model, and so no passage.
    number: Arc<OnceLock<i16>>,
}

/// The model's number in the database, and the dimension of its vectors.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    pub number: i16,
    pub dimension: usize,
}

impl Vectors {
    /// Checks that the database has this model's vectors of nearly all passages, or no model yet.
    pub async fn open(pool: &PgPool, identity: &Identity) -> anyhow::Result<Self> {
        let vectors = Self { identity: identity.clone(), number: Arc::default() };
        let end = Instant::now() + PATIENCE;
        loop {
            let mut tx = scope::begin(pool, &Scope::All).await?;
            let own = model::own(&mut tx, &identity.digest).await;
            drop(tx);
            match own.context("reading the models of the database: run acorag-migrate first")? {
                Ok(Some(own)) => {
                    vectors.number.get_or_init(|| own.number);
                    return Ok(vectors);
                }
                Ok(None) => return Ok(vectors),
                Err(Refusal::Incomplete(_)) if Instant::now() < end => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(refusal) => {
                    bail!("MODEL_DIR holds {} ({}), but {refusal}", identity.name, identity.digest)
                }
            }
        }
    }

    /// Returns the model's number and dimension; `None` as long as the database has no vectors of it.
    pub async fn own(&self, tx: &mut PgConnection) -> sqlx::Result<Option<Own>> {
        let known = match self.number.get() {
            Some(number) => Some(*number),
            None => sqlx::query_scalar("SELECT number FROM embedding_model WHERE digest = $1")
                .bind(&self.identity.digest)
                .fetch_optional(tx)
                .await?
                .map(|number| *self.number.get_or_init(|| number)),
        };
        Ok(known.map(|number| Own { number, dimension: self.identity.dimension }))
    }

    /// Ends with an error when the database loses the model, or gets its first model and it is another one.
    pub async fn watch(self, pool: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
        const EVERY: Duration = Duration::from_secs(30);
        while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let models = async {
                let mut tx = scope::begin(&pool, &Scope::All).await?;
                model::all(&mut tx).await
            };
            // The readiness check reports that the database is unavailable.
            let Ok(models) = models.await else { continue };
            let own = models.iter().find(|model| model.digest == self.identity.digest);
            let is_same = own.map(|own| own.number) == self.number.get().copied();
            if !models.is_empty() && (own.is_none() || self.number.get().is_some() && !is_same) {
                let Identity { name, digest, .. } = &self.identity;
                bail!("the database no longer holds the vectors of MODEL_DIR: {name} ({digest})");
            }
        }
        Ok(())
    }
}
