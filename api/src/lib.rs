//! acorag's HTTP interface. It knows NATS and Redis, no SQL and no model: it checks, asks, publishes and answers.
//!
//! A request passes [`edge`] (id, span, log line, error shape), then [`caller`] (who is it), and reaches a handler under
//! [`routes`], which extracts, validates, makes one call and replies.

pub mod app;
pub mod cache;
pub mod caller;
mod certificate;
pub mod config;
pub mod connection;
pub mod cors;
pub mod docs;
pub mod edge;
pub mod error;
pub mod extract;
pub mod follow;
pub mod guard;
pub mod intake;
pub mod jwt;
pub mod limits;
pub mod metrics;
pub mod probe;
pub mod range;
pub mod redis;
pub mod routes;
pub mod searcher;
pub mod server;
pub mod strangers;
mod streams;
pub mod tally;
pub mod web;

pub use app::App;
pub use config::Config;
pub use error::Error;
