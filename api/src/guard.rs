//! The guard in front of everything: so many requests a second from one address, counted in this process.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::{body::Body, extract::ConnectInfo, http::Request, response::IntoResponse as _};
use governor::{clock::QuantaInstant, middleware::NoOpMiddleware};
use prometheus::IntCounterVec;
use schemas::{Problem, ProblemKind};
use tower_governor::{
    GovernorError, GovernorLayer,
    governor::{GovernorConfig, GovernorConfigBuilder},
    key_extractor::KeyExtractor,
};

use crate::{Error, caller::client_address, limits::Rule};

type Guard = GovernorConfig<Address, NoOpMiddleware<QuantaInstant>>;

/// By the client's address as the trusted proxies saw it: the ready-made extractors believe the client.
#[derive(Debug, Clone)]
pub struct Address {
    proxies: usize,
}

impl KeyExtractor for Address {
    type Key = String;

    fn extract<T>(&self, request: &Request<T>) -> Result<String, GovernorError> {
        let peer = request.extensions().get::<ConnectInfo<std::net::SocketAddr>>();
        let peer = peer.ok_or(GovernorError::UnableToExtractKey)?;
        Ok(client_address(request.headers(), peer.0.ip(), self.proxies))
    }
}

pub fn config(rule: Rule, proxies: usize) -> Option<Arc<Guard>> {
    let burst = NonZeroU32::new(rule.count)?;
    let mut builder = GovernorConfigBuilder::default().key_extractor(Address { proxies });
    builder.period(rule.interval()).burst_size(burst.get()).finish().map(Arc::new)
}

pub fn layer(
    config: Arc<Guard>,
    refused: IntCounterVec,
) -> GovernorLayer<Address, NoOpMiddleware<QuantaInstant>, Body> {
    GovernorLayer::new(config).error_handler(move |error| {
        refused.with_label_values(&["any", "address"]).inc();
        let retry = match error {
            GovernorError::TooManyRequests { wait_time, .. } => u32::try_from(wait_time).unwrap_or(1).max(1),
            _ => 1,
        };
        let problem = Problem::new(
            ProblemKind::RateLimited,
            "Demasiadas solicitudes desde esta dirección. Inténtelo de nuevo en un momento.",
            "Too many requests from this address. Try again in a moment.",
        );
        Error(problem.retry_after(retry)).into_response()
    })
}

/// Forgets addresses that have been quiet.
pub async fn tidy(config: Arc<Guard>) {
    let mut beat = tokio::time::interval(Duration::from_secs(60));
    loop {
        beat.tick().await;
        config.limiter().retain_recent();
    }
}
