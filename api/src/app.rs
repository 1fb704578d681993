//! The application: built apart from running, so that tests start the real thing on port 0.

use std::{net::TcpListener, sync::Arc, time::Duration};

use aide::axum::ApiRouter;
use anyhow::Context as _;
use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef},
    middleware,
};
use bytes::Bytes;
use platform::{
    health::Checks,
    nats::{self, Nats, objects::Objects, request::Requester},
    redis,
};
use schemas::{query::Ping, subjects};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    Config,
    cache::Cache,
    caller::{self, Gate},
    config::Requests,
    cors, docs,
    edge::{self, Edge},
    guard,
    intake::Intake,
    limits::{Class, Limits, limit},
    metrics::Metrics,
    redis::Redis,
    routes,
    searcher::Searcher,
    strangers::Strangers,
    streams::Streams,
    tally::Tally,
};

/// Largest JSON body.
const MAX_BODY: usize = 1024 * 1024;

/// Everything handlers may need. Each takes only its part.
#[derive(Clone, FromRef)]
pub struct App {
    nats: Nats,
    requester: Requester,
    searcher: Searcher,
    objects: Objects,
    intake: Intake,
    requests: Arc<Requests>,
    streams: Streams,
    checks: Checks,
    metrics: Arc<Metrics>,
    gate: Gate,
    limits: Limits,
    edge: Edge,
    #[from_ref(skip)]
    slots: Arc<Semaphore>,
    documents: Documents,
    stopping: CancellationToken,
    #[from_ref(skip)]
    tally: Tally,
}

/// Documents about the api itself, written out once.
#[derive(Clone, Default)]
pub struct Documents {
    pub openapi: Bytes,
    pub asyncapi: Bytes,
}

/// Names the one implementation of TLS that everything in this process uses.
pub fn install_crypto() {
    // Fails when it is installed already, which is just as well.
    drop(rustls::crypto::ring::default_provider().install_default());
}

impl App {
    pub async fn connect(config: &Config, stopping: CancellationToken) -> anyhow::Result<Self> {
        install_crypto();
        let nats = config.nats.connect("acorag-api").await?;
        let redis = Redis::new(config.redis.connect()?, Duration::from_millis(config.redis.redis_timeout_ms));
        redis.warm_up().await;
        let requester = Requester::start(nats.clone()).await.context("subscribing to replies")?;
        let objects = Objects::open(&nats, subjects::FILES_BUCKET)
            .await
            .context("the object store FILES is missing: run acorag-migrate")?;
        let metrics = Arc::new(Metrics::new()?);
        metrics.registry().register(Box::new(redis::Connected::new(redis.pool().clone())?))?;
        if let Some(path) = &config.server.tls_cert {
            metrics.certificate(&std::fs::read(path).context("TLS_CERT: cannot read the certificate")?);
        }
        let requests = Arc::new(config.requests.clone());
        let checks = {
            let (nats, requester, redis) = (nats.clone(), requester.clone(), redis.pool().clone());
            Checks::default()
                .with("nats", move || nats::check(nats.clone(), subjects::INGEST_STREAM))
                .with("query_worker", move || query_worker(requester.clone()))
                .with_optional("redis", move || redis::check(redis.clone()))
        };
        let tally = Tally::default();
        let cache = Cache::new(config.cache.clone(), redis.clone(), metrics.cache.clone());
        let limits = Limits::new(config.limits.clone(), redis, metrics.limited.clone());
        tokio::spawn(stopping.clone().run_until_cancelled_owned(tidy(limits.clone())));
        Ok(Self {
            searcher: Searcher::new(
                requester.clone(),
                cache,
                tally.clone(),
                requests.search_patience(),
                metrics.ask_seconds.clone(),
            ),
            intake: Intake {
                objects: objects.clone(),
                max_file_mb: requests.max_upload_mb,
                stall: requests.stall(),
                slots: Arc::new(Semaphore::new(requests.max_concurrent_uploads)),
            },
            streams: Streams::new(requests.max_event_streams, stopping.clone(), metrics.streams.clone()),
            gate: Gate::new(
                config.callers.clone(),
                requester.clone(),
                metrics.clone(),
                Strangers::new(limits.clone()),
            )
            .await?,
            limits,
            edge: Edge { metrics: metrics.clone(), tls: config.server.speaks_tls() },
            slots: Arc::new(Semaphore::new(requests.max_concurrent_requests)),
            documents: Documents::default(),
            nats,
            requester,
            objects,
            requests,
            checks,
            metrics,
            stopping,
            tally,
        })
    }

    pub fn router(mut self, config: &Config) -> Router {
        let limited = |class, routes: ApiRouter<Self>| {
            routes.route_layer(middleware::from_fn_with_state((self.limits.clone(), class), limit))
        };
        let guarded = limited(Class::Search, routes::searching())
            .merge(limited(Class::Chat, routes::chatting()))
            .merge(limited(Class::Upload, routes::uploading()))
            .merge(limited(Class::Read, routes::reading()))
            .route_layer(middleware::from_fn_with_state(self.gate.clone(), caller::gate));
        let entering = limited(Class::Login, routes::entering())
            .route_layer(middleware::from_fn_with_state(self.gate.clone(), caller::porch));
        let mut openapi = docs::frame();
        let router =
            guarded.merge(entering).merge(routes::open()).finish_api_with(&mut openapi, docs::complete);
        let openapi = docs::written(&openapi, config.callers.auth).unwrap_or_else(|error| {
            tracing::error!(%error, "writing the OpenAPI document");
            Vec::new()
        });
        self.documents = Documents { openapi: openapi.into(), asyncapi: asyncapi() };
        let (edge, slots) = (self.edge.clone(), self.slots.clone());
        let (refused, stopping) = (self.metrics.limited.clone(), self.stopping.clone());
        let mut router = router
            .fallback(edge::not_found)
            .method_not_allowed_fallback(edge::method_not_allowed)
            .with_state(self)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .layer(CatchPanicLayer::custom(edge::panicked));
        if let Some(rule) = config.limits.rate_limit_address.rule()
            && let Some(guard) = guard::config(rule, config.callers.trusted_proxies)
        {
            tokio::spawn(stopping.run_until_cancelled_owned(guard::tidy(guard.clone())));
            router = router.layer(guard::layer(guard, refused));
        }
        // Whatever refuses stands inside CORS: a page must be able to read it.
        router
            .layer(middleware::from_fn_with_state(slots, edge::admit))
            .layer(cors::layer(&config.origins))
            .layer(middleware::from_fn_with_state(edge, edge::around))
    }

    /// Serves until told to stop, then finishes what is under way.
    pub fn serve(
        self,
        config: &Config,
        listener: TcpListener,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let server = config.server.clone();
        let stall = config.requests.stall();
        // A second less than the whole: the process still has to flush its traces.
        let drain = Duration::from_secs(config.lifecycle.shutdown_timeout.saturating_sub(1));
        let stopping = self.stopping.clone();
        let (tally, requester) = (self.tally.clone(), self.requester.clone());
        let metrics = self.metrics.clone();
        let renewed = move |chain: &[u8]| metrics.certificate(chain);
        let router = self.router(config);
        async move {
            let served = CancellationToken::new();
            let reporting = async {
                tokio::select! {
                    () = tally.report(requester, served.clone()) => {}
                    // A stop takes no longer for the sake of a count.
                    () = async { stopping.cancelled().await; tokio::time::sleep(drain).await } => {}
                }
            };
            let serving = async {
                let _last_report = served.drop_guard_ref();
                server.serve(router, listener, stall, drain, stopping.clone(), renewed).await
            };
            tokio::join!(serving, reporting).0
        }
    }
}

async fn tidy(limits: Limits) {
    let mut beat = tokio::time::interval(Duration::from_secs(60));
    loop {
        beat.tick().await;
        limits.tidy();
    }
}

fn asyncapi() -> Bytes {
    Bytes::from(schemas::asyncapi::document().to_string())
}

/// For readiness: some query worker answers, and has done all it does for the first time.
async fn query_worker(requester: Requester) -> Result<(), String> {
    let context = nats::Context::new(uuid::Uuid::now_v7().to_string());
    match requester.ask(&context, &Ping {}, Duration::from_millis(1_500)).await {
        Ok(pong) if pong.warm => Ok(()),
        Ok(_) => Err("warming up".to_owned()),
        Err(_) => Err("no answer".to_owned()),
    }
}
