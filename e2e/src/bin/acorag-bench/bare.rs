//! A handler that does as little as a cached answer needs: one HTTP request, one GET of Valkey. No cached search can be
//! faster than this one.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Result, bail};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use devstack::{Launch, Process, free_port};
use e2e::{Client, System};
use fred::{
    clients::Pool,
    interfaces::{ClientLike as _, KeysInterface as _},
};

const KEY: &str = "bench:bare";

/// The arguments with which this program runs only the bare handler.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Arguments {
    /// Serve only the bare handler, on this port
    #[arg(long, hide = true)]
    bare_handler: Option<u16>,
    #[command(flatten)]
    redis: platform::redis::Config,
}

impl Arguments {
    /// Serves the bare handler if the arguments say so; returns whether they did.
    pub async fn serve(&self) -> Result<bool> {
        let Some(port) = self.bare_handler else { return Ok(false) };
        let pool = self.redis.connect()?;
        pool.wait_for_connect().await?;
        let router = Router::new().route("/search", post(answer)).with_state(pool);
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        axum::serve(listener, router).await?;
        Ok(true)
    }
}

/// Receives the request's body and returns the stored answer.
async fn answer(State(pool): State<Pool>, _body: Bytes) -> Response {
    match pool.get::<Option<Bytes>, _>(KEY).await {
        Ok(Some(stored)) => ([(header::CONTENT_TYPE, "application/json")], stored).into_response(),
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// A running process of this program that serves the bare handler.
pub struct Bare {
    pub client: Client,
    _process: Process,
}

impl Bare {
    /// Starts the handler, which answers every request with `stored`.
    pub async fn start(system: &System, stored: Bytes) -> Result<Self> {
        let url = system.stack.redis_url();
        let config = platform::redis::Config {
            redis_url: url.to_owned(),
            redis_ca: None,
            redis_pool_size: 1,
            redis_timeout_ms: 5_000,
        };
        let pool = config.connect()?;
        pool.wait_for_connect().await?;
        pool.set::<(), _, _>(KEY, stored, None, None, false).await?;
        pool.quit().await?;
        let port = free_port()?;
        let process = Launch::new(std::env::current_exe()?)
            .arg("--bare-handler")
            .arg(port.to_string())
            .env("REDIS_URL", url)
            .start()?;
        let client = Client::new(&format!("http://127.0.0.1:{port}"))?;
        for _ in 0..200 {
            let answer = client.post("/search", &serde_json::json!({})).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(Self { client, _process: process });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the bare handler does not answer")
    }
}
