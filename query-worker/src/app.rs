//! Builds the worker and runs it. These are separate steps, so that tests can start the real worker.

use std::{future::Future, sync::Arc};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use embedding::{Embed, Model};
use futures::{TryFutureExt as _, future::ErrInto};
use platform::{
    health::{self, Checks, Needed},
    lifecycle::Lifecycle,
    nats::{
        Context, Nats,
        consume::{self, Delivery, Failure, Handler, Settings},
        direct,
        serve::Router,
    },
    postgres,
};
use schemas::{
    Lane, Problem, Request,
    problem::Reason,
    query::{self, Ping, Pong},
    subjects,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::{self, password::Passwords},
    analytics::{self, SearchLog},
    chat::{self, llm::Llm},
    config::Config,
    documents,
    error::Result,
    feedback, history,
    metrics::Metrics,
    model::Vectors,
    scope::Recent,
    search,
    turns::Turns,
};

/// The state that all handlers share.
#[derive(Clone)]
pub struct App {
    pub nats: Nats,
    pub pool: PgPool,
    pub model: Arc<dyn Embed>,
    pub(crate) vectors: Vectors,
    pub(crate) recent: Recent,
    pub metrics: Metrics,
    /// Without a language model, answers quote the documents.
    pub(crate) llm: Option<Arc<Llm>>,
    pub(crate) accounts: Arc<accounts::Config>,
    pub(crate) passwords: Passwords,
    pub(crate) search_log: SearchLog,
    pub(crate) turns: Turns,
}

impl App {
    /// Connects to the servers, loads the model and warms up both, so that the first query is as fast as later ones.
    pub async fn build(config: &Config) -> anyhow::Result<Self> {
        let metrics = Metrics::new()?;
        let llm = Llm::new(&config.llm)?.map(Arc::new);
        let model = Model::load(&config.embedding).await?;
        metrics.registry.register(Box::new(model.clone()))?;
        model.warm_up().await?;
        let pool = config.postgres.connect("acorag-query-worker").await?;
        let vectors = Vectors::open(&pool, model.identity()).await?;
        let nats = config.nats.connect("acorag-query-worker").await?;
        let app = Self {
            nats,
            pool,
            model: Arc::new(model),
            vectors,
            recent: Recent::default(),
            llm,
            accounts: Arc::new(config.accounts.clone()),
            passwords: Passwords::new(),
            search_log: SearchLog::new(metrics.dropped.clone()),
            turns: Turns::new(config.lookup_slots),
            metrics,
        };
        search::warm_up(&app).await.context("warming up the search")?;
        Ok(app)
    }

    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        let lifecycle = Lifecycle::default();
        let router = Arc::new(self.router().answering(&query::subjects(|lane| lane != Some(Lane::Letters)))?);
        // The searches that end during the shutdown are logged too, so the log ends after the last consumer.
        let answered = CancellationToken::new();
        let answering = Arc::new(answered.clone().drop_guard());
        for lane in Lane::ALL {
            let slots = match lane {
                Lane::Search => config.search_slots,
                Lane::Chat => config.chat_slots,
                Lane::Lookup => config.lookup_slots,
                // The ingest workers answer the queries about dead letters.
                Lane::Letters => continue,
            };
            let handler = Arc::new(Timed { lane, router: router.clone(), metrics: self.metrics.clone() });
            let (stream, consumer) = (subjects::QUERIES_STREAM, subjects::query_consumer(lane));
            let settings = Settings { stream, consumer, slots, max_attempts: 1, confirm: false };
            let consumer = consume::run(self.nats.clone(), settings, handler, lifecycle.stopping());
            let answering = answering.clone();
            lifecycle.spawn(lane.name(), async move {
                let _answering = answering;
                consumer.await
            });
        }
        drop(answering);
        let passwords = Arc::new(Timed { lane: Lane::Lookup, router, metrics: self.metrics.clone() });
        let (subject, group) = (subjects::SECRETS_ALL, subjects::SECRETS_GROUP);
        let nats = self.nats.clone();
        let direct = direct::run(nats, subject, group, config.lookup_slots, passwords, lifecycle.stopping());
        lifecycle.spawn("passwords", direct);
        let registry = self.metrics.registry.clone();
        let health = health::serve(config.health.clone(), self.checks(), registry, lifecycle.stopping());
        lifecycle.spawn("health", health);
        lifecycle.spawn("search log", self.clone().log_searches(answered));
        lifecycle.spawn_until_stopped("model", self.vectors.clone().watch(self.pool.clone()));
        lifecycle.spawn_until_stopped("nats", self.nats.clone().watch());
        tracing::info!(model = self.model.identity().name, "ready");
        lifecycle.run(&config.lifecycle).await
    }

    pub async fn log_searches(self, stopping: CancellationToken) -> anyhow::Result<()> {
        self.search_log.write(self.pool, stopping).await
    }

    pub fn router(&self) -> Router<Self> {
        Router::new(self.nats.clone(), self.clone())
            .on(|_, _, _: Ping| async { Ok(Pong { warm: true }) })
            .on(answered(search::search))
            .on_stream(chat::ask)
            .on(answered(history::of_conversation))
            .on(answered(history::of_user))
            .on(answered(feedback::save))
            .on(answered(feedback::stats))
            .on(answered(analytics::popular))
            .on(answered(analytics::report))
            .on(answered(analytics::suggestions))
            .on(answered(analytics::documents))
            .on(answered(accounts::verify))
            .on(answered(accounts::register))
            .on(answered(accounts::login))
            .on(answered(accounts::logout))
            .on(answered(accounts::me))
            .on(answered(documents::get))
            .on(answered(documents::list))
            .on(answered(documents::locate_file))
    }

    fn checks(&self) -> Checks {
        let pool = self.pool.clone();
        Checks::default()
            .with("postgres", Needed::Always, move || postgres::check(pool.clone()))
            .with_nats(&self.nats, subjects::QUERIES_STREAM)
    }
}

/// Converts the error of a handler to a problem for the caller.
fn answered<Q: Request, F: Future<Output = Result<Q::Reply>>>(
    handler: fn(App, Context, Q) -> F,
) -> impl Fn(App, Context, Q) -> ErrInto<F, Problem> + Clone {
    move |app, context, query| handler(app, context, query).err_into()
}

/// Measures each query of a lane: the time it waited for a free slot, and the time until its answer.
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

    async fn give_up(&self, delivery: &Delivery, reason: &Reason) -> anyhow::Result<DateTime<Utc>> {
        self.router.give_up(delivery, reason).await
    }
}
