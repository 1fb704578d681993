//! The worker's model in the database: searches compare the query only with this model's vectors.

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, bail};
use documents::model;
use embedding::Identity;
use sqlx::{PgConnection, PgPool};

use crate::scope;

/// The vectors that this worker searches.
#[derive(Debug, Clone)]
pub struct Vectors {
    identity: Identity,
    /// The number of the model; unknown as long as the database has no model, and so no passage.
    number: Arc<OnceLock<i16>>,
}

impl Vectors {
    /// Checks that the database has this model's vectors of nearly all passages, or no model yet.
    pub async fn open(pool: &PgPool, identity: &Identity) -> anyhow::Result<Self> {
        let own = model::own_patiently(pool, scope::SETTINGS, &identity.digest).await;
        let number = match own.context("reading the models of the database: run acorag-migrate first")? {
            Ok(own) => own.map_or_else(OnceLock::new, |own| own.number.into()),
            Err(refusal) => bail!("MODEL_DIR holds {} ({}), but {refusal}", identity.name, identity.digest),
        };
        Ok(Self { identity: identity.clone(), number: Arc::new(number) })
    }

    /// Returns the model's number in the database; `None` as long as the database has no vectors of it.
    pub async fn own(&self, tx: &mut PgConnection) -> sqlx::Result<Option<i16>> {
        if let Some(number) = self.number.get() {
            return Ok(Some(*number));
        }
        let number = sqlx::query_scalar("SELECT number FROM embedding_model WHERE digest = $1")
            .bind(&self.identity.digest)
            .fetch_optional(tx)
            .await?;
        Ok(number.map(|number| *self.number.get_or_init(|| number)))
    }

    /// Ends with an error when the database loses the model, or gets its first model and it is another one.
    pub async fn watch(self, pool: PgPool) -> anyhow::Result<()> {
        let Identity { name, digest, .. } = &self.identity;
        model::lost(&pool, scope::SETTINGS, digest, || self.number.get().copied()).await;
        bail!("the database no longer holds the vectors of MODEL_DIR: {name} ({digest})")
    }
}
