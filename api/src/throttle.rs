//! Limits the rate of all requests from one address, within this process only.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo, http::Request, response::IntoResponse as _};
use governor::{clock::QuantaInstant, middleware::NoOpMiddleware};
use prometheus::IntCounterVec;
use schemas::{ProblemKind, messages};
use tower_governor::{
    GovernorError, GovernorLayer,
    governor::{GovernorConfig, GovernorConfigBuilder},
    key_extractor::KeyExtractor,
};

use crate::{
    Error,
    limits::{Rule, describe},
};

type Config = GovernorConfig<Address, NoOpMiddleware<QuantaInstant>>;

/// The client's address as the trusted proxies saw it; `tower_governor` itself would believe any `X-Forwarded-For`.
#[derive(Debug, Clone)]
pub struct Address {
    proxies: usize,
}

impl KeyExtractor for Address {
    type Key = String;

    fn extract<T>(&self, request: &Request<T>) -> Result<String, GovernorError> {
        Ok(client_address(request, self.proxies))
    }
}

pub fn config(rule: Rule, proxies: usize) -> Option<Arc<Config>> {
    let mut builder = GovernorConfigBuilder::default().key_extractor(Address { proxies });
    builder.period(rule.interval()).burst_size(rule.count).finish().map(Arc::new)
}

pub fn layer(
    config: Arc<Config>,
    rule: Rule,
    refused: IntCounterVec,
) -> GovernorLayer<Address, NoOpMiddleware<QuantaInstant>, Body> {
    GovernorLayer::new(config).error_handler(move |error| {
        refused.with_label_values(&["any", "address"]).inc();
        let retry = match error {
            GovernorError::TooManyRequests { wait_time, .. } => u32::try_from(wait_time).unwrap_or(1).max(1),
            _ => 1,
        };
        let problem = messages::http::too_many_from_address().problem(ProblemKind::RateLimited);
        let mut response = Error(problem.retry_after(retry)).into_response();
        // Nothing is left, so the whole quota is available again after the whole period.
        describe(response.headers_mut(), rule, 0, Duration::from_secs(rule.seconds.into()));
        response
    })
}

/// Returns the client's address as the outermost trusted proxy saw it, in the form of [`network`].
pub fn client_address<T>(request: &Request<T>, proxies: usize) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
    let forwarded = request.headers().get_all("x-forwarded-for").iter();
    // The client may have written anything before what the proxies wrote, also bytes that are no text.
    let hops: Vec<&[u8]> = forwarded.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).collect();
    let first_trusted = hops.len().saturating_sub(proxies);
    let seen = if proxies == 0 { None } else { hops.get(first_trusted).and_then(|hop| ip(hop)) };
    network(seen.unwrap_or(peer))
}

/// What counts as one address: that of IPv4, or the /64 network of IPv6, which one client usually owns as a whole.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Parses an address, with or without a port: some proxies add the port.
fn ip(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seen(forwarded: &[&str], proxies: usize) -> String {
        let mut request = Request::new(());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 1))));
        for value in forwarded {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append("x-forwarded-for", value);
        }
        client_address(&request, proxies)
    }

    #[test]
    fn only_what_trusted_proxies_wrote_counts() {
        assert_eq!(seen(&["6.6.6.6"], 0), "10.0.0.1");
        assert_eq!(seen(&["6.6.6.6, 1.2.3.4"], 1), "1.2.3.4");
        assert_eq!(seen(&["6.6.6.6", "1.2.3.4, 10.0.0.9"], 2), "1.2.3.4");
        assert_eq!(seen(&["ñ, 1.2.3.4"], 1), "1.2.3.4");
        assert_eq!(seen(&["1.2.3.4:555"], 1), "1.2.3.4");
        assert_eq!(seen(&[], 1), "10.0.0.1");
        assert_eq!(seen(&["nonsense"], 1), "10.0.0.1");
        assert_eq!(seen(&["2001:db8:1:2:3:4:5:6"], 1), "2001:db8:1:2::/64");
        assert_eq!(seen(&["1.2.3.4"], 3), "1.2.3.4");
    }
}
