//! A real server for this crate's tests.

use clap::Parser as _;
use devstack::{Options, Stack};

use super::{Config, Nats};

#[derive(clap::Parser)]
struct Settings {
    #[command(flatten)]
    nats: Config,
}

/// Starts a server, which ends with the returned stack, and connects to it.
pub async fn start() -> (Stack, Nats) {
    let options =
        Options { database_url: Some(String::new()), redis_url: Some(String::new()), ..Options::default() };
    let stack = tokio::task::spawn_blocking(|| Stack::start(options)).await.unwrap().unwrap();
    let settings = Settings::parse_from(["test", "--nats-url", stack.nats_url()]);
    let nats = settings.nats.connect("test").await.unwrap();
    (stack, nats)
}
