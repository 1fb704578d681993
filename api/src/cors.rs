//! CORS: which web pages of other origins may call the API.

use std::{str::FromStr, sync::Arc, time::Duration};

use axum::http::{HeaderValue, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use crate::{authentication::Auth, local, middleware::METHODS};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Origins whose web pages may call the API, separated by commas, or `*` for all. The API uses no cookies: a page
    /// must send its own token. With AUTH=off, pages of this machine and of ALLOWED_HOSTS may always call; `*` then
    /// adds no other pages.
    #[arg(long, env = "CORS_ORIGINS", default_value = "*")]
    pub cors_origins: Origins,
    /// With AUTH=off: further host names, separated by commas, under which clients may call this machine, and whose
    /// pages may call. Localhost and the loopback addresses are always allowed.
    #[arg(long, env = "ALLOWED_HOSTS", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    Any,
    These(Vec<HeaderValue>),
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        text.split(',')
            .map(|origin| {
                // Browsers send an origin in lower case.
                let origin = origin.trim().trim_end_matches('/').to_ascii_lowercase();
                let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
                host.filter(|host| !host.is_empty() && !host.contains('/'))
                    .and_then(|_| origin.parse().ok())
                    .ok_or_else(|| format!("{origin:?} is not an origin such as https://obra.example.com"))
            })
            .collect::<Result<_, _>>()
            .map(Self::These)
    }
}

pub fn layer(config: &Arc<Config>, auth: Auth) -> CorsLayer {
    let origin = match &config.cors_origins {
        _ if auth == Auth::Off => {
            let config = config.clone();
            AllowOrigin::predicate(move |origin, _| local::may_call(&config, origin))
        }
        Origins::Any => AllowOrigin::any(),
        Origins::These(origins) => AllowOrigin::list(origins.clone()),
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods(METHODS.clone())
        // `*` would not include the Authorization header, which a page must send.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(Any)
        .max_age(Duration::from_secs(3_600))
        .vary([header::ORIGIN, header::ACCESS_CONTROL_REQUEST_HEADERS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_as_people_write_them() {
        assert_eq!("*".parse(), Ok(Origins::Any));
        let two = Origins::These(vec!["https://a.cl".parse().unwrap(), "http://b:3000".parse().unwrap()]);
        assert_eq!("https://A.cl/, http://b:3000".parse(), Ok(two));
        for bad in ["", "a.cl", "https://", "https://a.cl/path", "https://a.cl,"] {
            assert!(bad.parse::<Origins>().is_err(), "{bad}");
        }
    }
}
