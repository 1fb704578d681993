//! Builds the worker and runs it. These are two steps, so that tests can start the real worker.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use embedding::{Embed, Model};
use futures::FutureExt as _;
use platform::{
    health::{self, Checks, Needed},
    lifecycle::Lifecycle,
    nats::{
        Nats,
        consume::{self, Settings},
        objects::Objects,
    },
    postgres, redis,
};
use reader::{Limits, Reader};
use schemas::{
    Lane, Scope, query,
    subjects::{self, JobKind},
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    chunk::ChunkOptions,
    config::Config,
    dead_letters,
    generations::Generations,
    jobs::{Jobs, slots_by_project},
    metrics::Metrics,
    model,
    pipeline::Pipeline,
    readers::Readers,
    sweep::Sweep,
    unreadable,
};

/// Resources that all jobs share.
#[derive(Clone)]
pub struct App {
    pub nats: Nats,
    pub objects: Objects,
    pub pool: PgPool,
    pub model: Arc<dyn Embed>,
    pub model_number: i16,
    pub generations: Generations,
    pub metrics: Metrics,
    pub reader: Reader,
    pub max_file_bytes: u64,
    pub readers: Readers,
    /// Maximum time that an import queues its records before other imports get its slot.
    pub import_turn: Duration,
    pub chunking: ChunkOptions,
    secret: Uuid,
}

const MAX_ATTEMPTS: i64 = 5;
const TIDY_EVERY: Duration = Duration::from_secs(5);

impl App {
    pub async fn build(config: &Config) -> anyhow::Result<Self> {
        let limits = Limits { memory_bytes: u64::from(config.read_memory_mib) << 20, ..Limits::default() };
        let reader = Reader::find(config.reader_path.as_deref(), &config.pdfium_path, limits)?;
        let metrics = Metrics::new()?;
        metrics.confined(reader.confinement().await.context("asking acorag-reader what confines it")?);
        let model =
            Model::load(&embedding::Config { in_background: true, ..config.embedding.clone() }).await?;
        metrics.registry.register(Box::new(model.clone()))?;
        model.warm_up().await?;
        let pool = config.postgres.connect("acorag-ingest-worker").await?;
        let model_number = model::own(&pool, model.identity()).await?;
        let mut tx = documents::scope::begin(&pool, &Scope::Projects(Vec::new())).await?;
        let secret: String =
            sqlx::query_scalar("SELECT secret::text FROM installation").fetch_one(&mut *tx).await?;
        drop(tx);
        let nats = config.nats.connect("acorag-ingest-worker").await?;
        let redis = config.redis.connect()?;
        metrics.registry.register(Box::new(redis::connected(redis.clone())?))?;
        let objects =
            Objects::open(&nats).await.context("the object store is missing: run acorag-migrate first")?;
        let chunking = ChunkOptions {
            target_tokens: config.chunk_tokens,
            overlap_tokens: config.chunk_overlap,
            // What the model does not read of a passage would not be in its vector.
            max_tokens: ChunkOptions::default().max_tokens.min(model.passage_tokens()),
        };
        Ok(Self {
            nats,
            objects,
            pool,
            model: Arc::new(model),
            model_number,
            generations: Generations::new(redis),
            metrics,
            reader,
            max_file_bytes: u64::from(config.max_upload_mb) << 20,
            readers: Readers::new(config.read_slots),
            import_turn: Duration::from_secs(config.import_turn_seconds),
            chunking,
            secret: secret.parse().context("the secret of this installation")?,
        })
    }

    /// Returns the id of a message that this worker publishes because of another one. The id is the same each time, so
    /// that JetStream drops duplicates, and nobody outside can guess it.
    pub fn message_id(&self, cause: &str) -> String {
        Uuid::new_v5(&self.secret, cause.as_bytes()).to_string()
    }

    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        let lifecycle = Lifecycle::default();
        for (kind, slots) in [
            (JobKind::Document, config.ingest_slots),
            (JobKind::Batch, config.batch_slots),
            (JobKind::Bulk, config.batch_slots),
            (JobKind::Import, config.import_slots),
            (JobKind::Record, config.record_slots),
            // While a large import is deleted, other deletions go on.
            (JobKind::Delete, 3),
        ] {
            let settings = Settings {
                stream: subjects::INGEST_STREAM,
                consumer: subjects::ingest_consumer(kind),
                slots,
                max_attempts: MAX_ATTEMPTS,
                confirm: true,
            };
            let (turns, stopping) = (slots_by_project(slots), lifecycle.stopping());
            let jobs = Arc::new(Jobs { app: self.clone(), kind, turns, stopping });
            lifecycle
                .spawn(kind.name(), consume::run(self.nats.clone(), settings, jobs, lifecycle.stopping()));
        }
        let router = dead_letters::router(self.nats.clone());
        let router = Arc::new(router.answering(&query::subjects(|lane| lane == Some(Lane::Letters)))?);
        let settings = Settings {
            stream: subjects::QUERIES_STREAM,
            consumer: subjects::query_consumer(Lane::Letters),
            slots: 1,
            max_attempts: 1,
            confirm: false,
        };
        let queries = consume::run(self.nats.clone(), settings, router, lifecycle.stopping());
        lifecycle.spawn(Lane::Letters.name(), queries);
        let registry = self.metrics.registry.clone();
        let health = health::serve(config.health.clone(), self.checks(), registry, lifecycle.stopping());
        lifecycle.spawn("health", health);
        lifecycle.spawn_until_stopped("generations", self.generations.clone().end_pending().map(Ok));
        let pipeline = Pipeline::new(&self.metrics.registry, self.nats.clone(), self.pool.clone())?;
        lifecycle.spawn_until_stopped("pipeline", pipeline.run().map(Ok));
        lifecycle.spawn_until_stopped("keywords", tidy(self.pool.clone()).map(Ok));
        let sweep = Sweep { nats: self.nats.clone(), objects: self.objects.clone(), pool: self.pool.clone() };
        lifecycle.spawn_until_stopped("sweep", sweep.run().map(Ok));
        lifecycle.spawn_until_stopped("model", model::watch(self.clone()));
        lifecycle.spawn_until_stopped("nats", self.nats.clone().watch());
        lifecycle.spawn_until_stopped("unreadable", unreadable::watch(self.clone()).map(Ok));
        tracing::info!(model = self.model.identity().name, "ready");
        let stopped = lifecycle.run(&config.lifecycle).await;
        // A job that ended during the stop may have left a change pending.
        self.generations.renew_pending().await;
        stopped
    }

    fn checks(&self) -> Checks {
        let pool = self.pool.clone();
        Checks::default()
            .with("postgres", Needed::Always, move || postgres::check(pool.clone()))
            .with_nats(&self.nats, subjects::INGEST_STREAM)
    }
}

/// Keeps the keyword index of all projects together small. Each job does what its own project needs ([`crate::jobs`]).
async fn tidy(pool: PgPool) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        if let Err(error) = documents::index::tidy_all(&pool).await {
            tracing::warn!(%error, "the keyword index was not tidied");
        }
    }
}
