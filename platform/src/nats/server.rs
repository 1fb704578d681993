//! A real server for this crate's tests.

use devstack::{Options, Stack};

use super::{Config, Nats};

/// Starts a server, which ends with the returned stack, and connects to it.
pub async fn start() -> (Stack, Nats) {
    let options =
        Options { database_url: Some(String::new()), redis_url: Some(String::new()), ..Options::default() };
    let stack = tokio::task::spawn_blocking(|| Stack::start(options)).await.unwrap().unwrap();
    let nats_url = stack.nats_url().to_owned();
    let config = Config { nats_url, nats_user: None, nats_password: None, nats_creds: None, nats_ca: None };
    let nats = config.connect("test").await.unwrap();
    (stack, nats)
}
