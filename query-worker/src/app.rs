//! Builds the worker and runs it. Building is apart from running, so that tests start the real thing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail};
use chrono::Utc;
use embedding::{Embed, Figures, Identity, Model};
use platform::{
    health::{self, Checks},
    lifecycle::Lifecycle,
    nats::{
        self, Nats,
        consume::{self, Delivery, Failure, Handler, Settings},
        serve::Router,
    },
    postgres,
};
use schemas::{
    Lane,
    problem::Reason,
    query::{self, Ping, Pong},
    subjects,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::{self, Accounts},
    analytics::{
        self,
        log::{SearchLog, Writer},
    },
    chat::{self, llm::Llm},
    config::Config,
    documents, feedback, history,
    metrics::Metrics,
    search,
};

/// What handlers share.
#[derive(Clone)]
pub struct App {
    pub nats: Nats,
    pub pool: PgPool,
    pub model: Arc<dyn Embed>,
    pub metrics: Metrics,
    /// Without one, answers quote the documents.
    pub(crate) llm: Option<Arc<Llm>>,
    pub(crate) accounts: Accounts,
    pub(crate) search_log: SearchLog,
    /// Until somebody runs it.
    search_writer: Arc<Mutex<Option<Writer>>>,
}

impl App {
    /// Connects, loads the model and warms both up: when this returns, the first query is as fast as any.
    pub async fn build(config: &Config) -> anyhow::Result<Self> {
        let metrics = Metrics::new()?;
        let llm = Llm::new(&config.llm)?.map(Arc::new);
        let model = Model::load(&config.embedding).await?;
        metrics.registry.register(Box::new(Figures::new(model.clone())?))?;
        model.warm_up().await?;
        let pool = config.postgres.connect("acorag-query-worker", &search::SETTINGS).await?;
        check_model(&pool, model.identity()).await?;
        let nats = config.nats.connect("acorag-query-worker").await?;
        let (search_log, writer) = SearchLog::new(metrics.dropped.clone());
        let app = Self {
            nats,
            pool,
            model: Arc::new(model),
            metrics,
            llm,
            accounts: Accounts::new(&config.accounts),
            search_log,
            search_writer: Arc::new(Mutex::new(Some(writer))),
        };
        search::warm_up(&app).await.context("warming up the search")?;
        Ok(app)
    }

    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        let lifecycle = Lifecycle::new();
        let router = Arc::new(self.router().answering(&query::subjects())?);
        for (lane, slots) in [
            (Lane::Search, config.search_slots),
            (Lane::Chat, config.chat_slots),
            (Lane::Lookup, config.lookup_slots),
        ] {
            let handler = Arc::new(Timed { lane, router: router.clone(), metrics: self.metrics.clone() });
            let settings = Settings {
                stream: subjects::QUERIES_STREAM,
                consumer: subjects::query_consumer(lane),
                slots,
                ack_wait: subjects::ack_wait(subjects::QUERIES_STREAM),
                max_attempts: 1,
                confirm: false,
            };
            lifecycle
                .spawn(lane.name(), consume::run(self.nats.clone(), settings, handler, lifecycle.stopping()));
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
        lifecycle.spawn("search log", self.clone().log_searches(lifecycle.stopping()));
        lifecycle.spawn("model", watch_model(self.clone(), lifecycle.stopping()));
        tracing::info!(model = self.model.identity().name, "ready");
        lifecycle.run(&config.lifecycle).await
    }

    /// Writes down what is searched, until told to stop. Once an app.
    pub async fn log_searches(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let writer = self.search_writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match writer {
            Some(writer) => writer.run(self.pool, stopping).await,
            None => bail!("the search log is written by one task"),
        }
    }

    /// Which handler answers which query.
    pub fn router(&self) -> Router<Self> {
        Router::new(self.nats.clone(), self.clone())
            .on(|_, _, _: Ping| async { Ok(Pong { warm: true }) })
            .on(search::search)
            .on_stream(chat::ask)
            .on(history::of_conversation)
            .on(history::of_user)
            .on(feedback::save)
            .on(feedback::stats)
            .on(analytics::popular)
            .on(analytics::report)
            .on(analytics::suggestions)
            .on(analytics::documents)
            .on(accounts::verify)
            .on(accounts::register)
            .on(accounts::login)
            .on(accounts::me)
            .on(documents::get)
            .on(documents::list)
            .on(documents::locate_file)
    }

    fn checks(&self) -> Checks {
        let (pool, nats) = (self.pool.clone(), self.nats.clone());
        Checks::default()
            .with("postgres", move || postgres::check(pool.clone()))
            .with("nats", move || nats::check(nats.clone(), subjects::QUERIES_STREAM))
    }
}

/// Takes the time of each query of a lane: until a worker had a hand free, and until it was answered.
struct Timed {
    lane: Lane,
    router: Arc<Router<App>>,
    metrics: Metrics,
}

impl Handler for Timed {
    async fn handle(&self, delivery: Delivery) -> Result<(), Failure> {
        let label = [self.lane.name()];
        let waited = (Utc::now() - delivery.published).to_std().unwrap_or_default();
        self.metrics.wait_seconds.with_label_values(&label).observe(waited.as_secs_f64());
        let _timer = self.metrics.work_seconds.with_label_values(&label).start_timer();
        self.router.handle(delivery).await
    }

    async fn give_up(&self, delivery: &Delivery, reason: &Reason) -> anyhow::Result<()> {
        self.router.give_up(delivery, reason).await
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
async fn watch_model(app: App, stopping: CancellationToken) -> anyhow::Result<()> {
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
