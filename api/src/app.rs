//! The state that all handlers share. Its connections are opened before any request is served.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::extract::FromRef;
use platform::{
    health::{Checks, Needed},
    nats::{self, Nats, objects::Objects, request::Requester},
    redis,
    shares::Shares,
};
use schemas::{query::Ping, subjects};
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    arrival::Arrivals,
    authentication::Authenticator,
    cache::{Cache, Counter, UnderWay},
    config::Requests,
    limits::{Limits, admission::Admission},
    logins::Logins,
    metrics::Metrics,
    openapi::Documents,
    redis::Redis,
    streams::Streams,
    uploads::{Pace, Uploads},
};

/// The application state. Each handler extracts only the fields that it needs.
#[derive(Clone, FromRef)]
pub struct App {
    pub nats: Nats,
    pub requester: Requester,
    pub cache: Cache,
    pub objects: Objects,
    pub uploads: Uploads,
    pub requests: Arc<Requests>,
    pub streams: Streams,
    pub checks: Checks,
    pub metrics: Arc<Metrics>,
    pub authenticator: Authenticator,
    pub limits: Limits,
    pub logins: Logins,
    pub arrivals: Arrivals,
    pub documents: Documents,
    pub stopping: CancellationToken,
}

/// Installs the TLS implementation that everything in this process uses.
pub fn install_crypto() {
    // An error means that an implementation is already installed, so the error is ignored.
    drop(rustls::crypto::ring::default_provider().install_default());
}

impl App {
    pub async fn connect(config: &Config, stopping: CancellationToken) -> anyhow::Result<Self> {
        install_crypto();
        let nats = config.nats.connect("acorag-api").await?;
        let redis = Redis::connect(&config.redis).await?;
        let requester = Requester::start(nats.clone()).await.context("subscribing to replies")?;
        let objects =
            Objects::open(&nats).await.context("the object store FILES is missing: run acorag-migrate")?;
        let metrics = Arc::new(Metrics::new()?);
        metrics.registry.register(Box::new(redis::connected(redis.pool.clone())?))?;
        let requests = Arc::new(config.requests.clone());
        let min_speed = u64::from(requests.min_upload_kib_per_second.get()) * 1024;
        let checks = {
            let (requester, redis) = (requester.clone(), redis.pool.clone());
            Checks::default()
                .with_nats(&nats, subjects::INGEST_STREAM)
                .with("query_worker", Needed::Once, move || query_worker(requester.clone()))
                .with("redis", Needed::Never, move || redis::check(redis.clone()))
        };
        let limits = Limits::new(config.limits.clone(), redis.clone(), metrics.limited.clone());
        let logins = Logins::new(limits.clone(), redis.clone());
        let streams = Streams::new(config, stopping.clone(), metrics.streams.clone());
        let auth = config.authentication.clone();
        let authenticator = Authenticator::new(auth, requester.clone(), metrics.clone(), limits.clone());
        Ok(Self {
            cache: Cache {
                config: Arc::new(config.cache.clone()),
                redis,
                requester: requester.clone(),
                patience: requests.search_timeout,
                admission: Admission::new(&metrics.limited),
                metrics: metrics.clone(),
                counter: Counter::default(),
                under_way: UnderWay::default(),
            },
            uploads: Uploads {
                objects: objects.clone(),
                max_file: requests.max_upload_mb.saturating_mul(1024 * 1024),
                pace: Pace::new(requests.stall_timeout, min_speed),
                slots: Shares::halved(requests.max_concurrent_uploads),
                streams: streams.clone(),
            },
            streams,
            logins,
            arrivals: Arrivals {
                bodies: Shares::new(requests.max_bodies_per_address * 4, requests.max_bodies_per_address),
                patience: requests.stall_timeout,
                trusted_proxies: config.authentication.trusted_proxies,
            },
            authenticator: authenticator.await?,
            limits,
            documents: Documents::default(),
            nats,
            requester,
            objects,
            requests,
            checks,
            metrics,
            stopping,
        })
    }
}

/// Readiness check: a query worker answers and reports that it has finished warming up.
async fn query_worker(requester: Requester) -> Result<(), String> {
    let context = nats::Context::new(uuid::Uuid::now_v7().to_string());
    match requester.ask(&context, &Ping {}, Duration::from_millis(1_500)).await {
        Ok(pong) if pong.warm => Ok(()),
        Ok(_) => Err("warming up".to_owned()),
        Err(_) => Err("no answer".to_owned()),
    }
}
