//! A handler that does as little as a cached answer needs: one HTTP request, one GET of Valkey. No cached search can be
//! faster than this one.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use e2e::{Client, System};
use fred::{
    clients::Pool,
    interfaces::{ClientLike as _, KeysInterface as _},
};

const KEY: &str = "bench:bare";

/// Starts the handler, which answers every request with `stored`, and returns a client of it. It runs until this program
/// ends, in a runtime of its own, so that the clients do not share their threads with it.
pub fn start(system: &System, stored: Bytes) -> Result<Client> {
    let redis = platform::redis::Config {
        redis_url: system.stack.redis_url().to_owned(),
        redis_ca: None,
        redis_pool_size: 2,
        redis_timeout_ms: 1_000,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let client = Client::new(&format!("http://{}", listener.local_addr()?))?;
    let runtime = tokio::runtime::Runtime::new()?;
    std::thread::spawn(move || {
        let ended: Result<()> = runtime.block_on(async {
            let pool = redis.connect()?;
            pool.wait_for_connect().await?;
            pool.set::<(), _, _>(KEY, stored, None, None, false).await?;
            let router = Router::new().route("/search", post(answer)).with_state(pool);
            Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await?)
        });
        eprintln!("the bare handler ended: {ended:?}");
    });
    Ok(client)
}

/// Receives the request's body and returns the stored answer.
async fn answer(State(pool): State<Pool>, _body: Bytes) -> Response {
    match pool.get::<Option<Bytes>, _>(KEY).await {
        Ok(Some(stored)) => ([(header::CONTENT_TYPE, "application/json")], stored).into_response(),
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
