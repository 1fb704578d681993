//! Builds the worker and runs it. Building is apart from running, so that tests start the real thing.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use embedding::{Embed, Identity, Model};
use migrations::{ack_wait, query_consumer};
use platform::{
    health::{self, Checks},
    lifecycle::Lifecycle,
    nats::{
        self, Nats,
        consume::{self, Settings},
        serve::Router,
    },
    postgres,
};
use schemas::{
    Lane,
    document::{GetDocument, ListDocuments, LocateFile},
    query::{Ping, Pong},
    search::Search,
    subjects,
};
use sqlx::PgPool;

use crate::{config::Config, documents, metrics::Metrics, search};

/// What handlers share.
#[derive(Clone)]
pub struct App {
    pub nats: Nats,
    pub pool: PgPool,
    pub model: Arc<dyn Embed>,
    pub metrics: Metrics,
}

impl App {
    /// Connects, loads the model and warms both up: when this returns, the first query is as fast as any.
    pub async fn build(config: &Config) -> anyhow::Result<Self> {
        let metrics = Metrics::new()?;
        let model = Model::load(&config.embedding).await?;
        model.warm_up().await?;
        let pool = config.postgres.connect("acorag-query-worker", &search::SETTINGS).await?;
        check_model(&pool, model.identity()).await?;
        let nats = config.nats.connect("acorag-query-worker").await?;
        let app = Self { nats, pool, model: Arc::new(model), metrics };
        search::warm_up(&app).await.context("warming up the search")?;
        Ok(app)
    }

    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        let lifecycle = Lifecycle::new();
        let handler = Arc::new(self.router());
        for (lane, slots) in [
            (Lane::Search, config.search_slots),
            (Lane::Chat, config.chat_slots),
            (Lane::Lookup, config.lookup_slots),
        ] {
            let settings = Settings {
                stream: subjects::QUERIES_STREAM,
                consumer: query_consumer(lane),
                slots,
                ack_wait: ack_wait(subjects::QUERIES_STREAM),
                max_attempts: 1,
                confirm: false,
            };
            lifecycle
                .spawn(lane.name(), consume::run(self.nats.clone(), settings, handler.clone(), lifecycle.stopping()));
        }
        lifecycle.spawn(
            "health",
            health::serve(
                config.health.clone(),
                self.checks(),
                self.metrics.registry.clone(),
                lifecycle.stopping(),
            ),
        );
        lifecycle.spawn("model", watch_model(self.clone(), lifecycle.stopping()));
        tracing::info!(model = self.model.identity().name, "ready");
        lifecycle.run(&config.lifecycle).await
    }

    /// Which handler answers which query.
    fn router(&self) -> Router<Self> {
        Router::new(self.nats.clone(), self.clone())
            .on::<Ping, _>(|_, _, _| async { Ok(Pong { warm: true }) })
            .on::<Search, _>(search::search)
            .on::<GetDocument, _>(documents::get)
            .on::<ListDocuments, _>(documents::list)
            .on::<LocateFile, _>(documents::locate_file)
    }

    fn checks(&self) -> Checks {
        let (pool, nats) = (self.pool.clone(), self.nats.clone());
        Checks::default()
            .with("postgres", move || postgres::check(pool.clone()))
            .with("nats", move || nats::check(nats.clone(), subjects::QUERIES_STREAM))
    }
}

/// Vectors of two models do not compare: a worker with another model than the database's must not answer.
async fn check_model(pool: &PgPool, identity: &Identity) -> anyhow::Result<()> {
    let known: Option<(String, String, i32)> =
        sqlx::query_as("SELECT name, digest, dimension FROM embedding_model")
            .fetch_optional(pool)
            .await
            .context("reading the database's embedding model: run acorag-migrate first")?;
    if let Some((name, digest, dimension)) = known
        && digest != identity.digest
    {
        bail!(
            "the database holds vectors of the model {name} (dimension {dimension}, {digest}), but MODEL_DIR holds {} \
             (dimension {}, {}). Point MODEL_DIR at the database's model, or use an empty database.",
            identity.name,
            identity.dimension,
            identity.digest
        );
    }
    Ok(())
}

/// Until the first document is stored the database names no model; whoever stores it might use another one.
async fn watch_model(app: App, stopping: tokio_util::sync::CancellationToken) -> anyhow::Result<()> {
    const EVERY: Duration = Duration::from_secs(30);
    while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        match check_model(&app.pool, app.model.identity()).await {
            Err(error) if error.downcast_ref::<sqlx::Error>().is_none() => return Err(error),
            // The database being away is readiness's business.
            _ => {}
        }
    }
    Ok(())
}
