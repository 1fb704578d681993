//! With `AUTH=off`, every client that can reach the port may do everything, and any web page in a browser on this
//! machine can reach it. So only pages of this machine may call, and only under a host name of this machine: otherwise
//! a foreign page could make its own host name resolve to this machine (DNS rebinding).

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, header, uri::Authority},
    middleware::Next,
    response::Response,
};
use schemas::{Problem, ProblemKind, messages::http};

use crate::{
    cors::{Config, Origins},
    linger,
};

/// Refuses requests for pages of other machines. CORS alone would not: browsers send a simple POST without a preflight.
pub async fn guard(State(config): State<Arc<Config>>, request: Request, next: Next) -> Response {
    match check(&config, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => linger::refuse(request, problem),
    }
}

fn check(config: &Config, request: &Request) -> Result<(), Problem> {
    // HTTP/2 has the host in the URI, not in `Host`. A request without one is allowed: browsers always send it.
    let headers = request.headers();
    let host = request.uri().authority().map(|host| host.as_str().as_bytes());
    let host = host.or_else(|| Some(headers.get(header::HOST)?.as_bytes()));
    if host.is_some_and(|host| !names_this_machine(config, host)) {
        return Err(http::not_this_host().problem(ProblemKind::Forbidden));
    }
    let origin = headers.get(header::ORIGIN);
    // The CORS layer answers preflight requests (OPTIONS).
    if *request.method() != Method::OPTIONS && origin.is_some_and(|origin| !may_call(config, origin)) {
        return Err(http::not_this_origin().problem(ProblemKind::Forbidden));
    }
    Ok(())
}

/// Whether a page of this origin may call: an origin on this machine, or one that `CORS_ORIGINS` lists. Browsers also
/// send the origin of a page that calls the host that it came from.
pub fn may_call(config: &Config, origin: &HeaderValue) -> bool {
    let listed = matches!(&config.cors_origins, Origins::These(origins) if origins.contains(origin));
    let own = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    listed || own.is_some_and(|(_, authority)| names_this_machine(config, authority.as_bytes()))
}

/// Whether this host, perhaps with a port, is a local one or one that `ALLOWED_HOSTS` lists.
fn names_this_machine(config: &Config, authority: &[u8]) -> bool {
    Authority::try_from(authority).is_ok_and(|authority| {
        let host = authority.host();
        is_local(host) || config.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    })
}

fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_names_and_pages_of_this_machine() {
        let config = Config {
            cors_origins: "https://obra.example".parse().unwrap(),
            allowed_hosts: vec!["taller.local".to_owned()],
        };
        let passes = |host: &str, origin: &str| {
            let mut request = Request::post("/search").body(Body::empty()).unwrap();
            for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
                if !value.is_empty() {
                    request.headers_mut().insert(name, value.parse().unwrap());
                }
            }
            check(&config, &request).is_ok()
        };
        for host in [
            "",
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "127.1.2.3",
            "[::1]:8000",
            "taller.local:80",
        ] {
            assert!(passes(host, ""), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8000",
            "10.0.0.1",
            "a b",
            "[::2]",
        ] {
            assert!(!passes(host, ""), "{host}");
        }
        for origin in
            ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:5173", "https://obra.example"]
        {
            assert!(passes("localhost", origin), "{origin}");
        }
        for origin in [
            "null",
            "https://evil.example",
            "http://localhost.evil.example",
            "http://obra.example",
            "localhost",
        ] {
            assert!(!passes("localhost", origin), "{origin}");
        }
        assert!(passes("taller.local:8000", "http://taller.local:8000"));
        assert!(!passes("taller.local:8000", "https://evil.example"));
    }
}
