//! The application: built apart from running, so that tests start the real thing on port 0.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use aide::{axum::ApiRouter, openapi::OpenApi};
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
    caller::{self, Gate},
    config::Requests,
    docs,
    edge::{self, Edge},
    intake::Intake,
    metrics::Metrics,
    routes,
};

/// Largest JSON body.
const MAX_BODY: usize = 1024 * 1024;

/// Everything handlers may need. Each takes only its part.
#[derive(Clone, FromRef)]
pub struct App {
    nats: Nats,
    requester: Requester,
    objects: Objects,
    intake: Intake,
    requests: Arc<Requests>,
    streams: Streams,
    checks: Checks,
    metrics: Arc<Metrics>,
    gate: Gate,
    edge: Edge,
    documents: Documents,
}

/// Answers that stay open: a bounded number, and all of them end when the service stops.
#[derive(Clone)]
pub struct Streams {
    pub slots: Arc<Semaphore>,
    pub stopping: CancellationToken,
}

/// `/openapi.json`, written out once.
#[derive(Clone)]
pub struct Documents {
    pub openapi: Bytes,
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
        let redis = config.redis.connect()?;
        let requester = Requester::start(nats.clone()).await.context("subscribing to replies")?;
        let objects = Objects::open(&nats, subjects::FILES_BUCKET)
            .await
            .context("the object store FILES is missing: run acorag-migrate")?;
        let metrics = Arc::new(Metrics::new()?);
        let requests = Arc::new(config.requests.clone());
        let checks = {
            let (nats, requester) = (nats.clone(), requester.clone());
            Checks::default()
                .with("nats", move || nats::check(nats.clone(), subjects::INGEST_STREAM))
                .with("query_worker", move || query_worker(requester.clone()))
                .with_optional("redis", move || redis::check(redis.clone()))
        };
        Ok(Self {
            intake: Intake {
                objects: objects.clone(),
                max_file_mb: requests.max_upload_mb,
                stall: requests.stall(),
                slots: Arc::new(Semaphore::new(requests.max_concurrent_uploads)),
            },
            streams: Streams { slots: Arc::new(Semaphore::new(requests.max_event_streams)), stopping },
            gate: Gate::new(config.callers.clone(), requester.clone(), metrics.clone()),
            edge: Edge {
                metrics: metrics.clone(),
                slots: Arc::new(Semaphore::new(requests.max_concurrent_requests)),
                tls: false,
            },
            documents: Documents { openapi: Bytes::new() },
            nats,
            requester,
            objects,
            requests,
            checks,
            metrics,
        })
    }

    pub fn router(mut self) -> Router {
        let mut openapi = docs::frame();
        let router = ApiRouter::new()
            .merge(
                routes::guarded()
                    .route_layer(middleware::from_fn_with_state(self.gate.clone(), caller::gate)),
            )
            .merge(routes::open())
            .finish_api_with(&mut openapi, docs::complete);
        self.documents.openapi = written(&openapi);
        let edge = self.edge.clone();
        router
            .fallback(edge::not_found)
            .method_not_allowed_fallback(edge::method_not_allowed)
            .with_state(self)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .layer(CatchPanicLayer::custom(edge::panicked))
            .layer(middleware::from_fn_with_state(edge, edge::around))
    }

    /// Serves until told to stop, then finishes what is under way.
    pub fn serve(
        self,
        config: &Config,
        listener: TcpListener,
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + use<>> {
        let (stopping, handle) = (self.streams.stopping.clone(), axum_server::Handle::new());
        let server = axum_server::from_tcp(listener)?.handle(handle.clone());
        let drain = Duration::from_secs(config.lifecycle.shutdown_timeout.saturating_sub(1));
        let service = self.router().into_make_service_with_connect_info::<SocketAddr>();
        Ok(async move {
            tokio::spawn(async move {
                stopping.cancelled().await;
                handle.graceful_shutdown(Some(drain));
            });
            server.serve(service).await.context("serving HTTP")
        })
    }
}

fn written(openapi: &OpenApi) -> Bytes {
    serde_json::to_vec(openapi).map_or_else(
        |error| {
            tracing::error!(%error, "writing the OpenAPI document");
            Bytes::new()
        },
        Bytes::from,
    )
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
