//! acorag's HTTP interface. It uses NATS and Redis, but no database and no embedding model: it validates
//! requests, sends queries to workers, publishes jobs and returns the responses.
//!
//! A request passes [`middleware`] (id, span, log line, error body), [`arrival`] (request body), [`authentication`]
//! (caller) and [`limits`]. A handler under [`routes`] then extracts, validates, makes one call and responds.

pub mod app;
mod arrival;
pub mod authentication;
pub mod cache;
pub mod config;
mod cors;
pub mod error;
mod events;
mod expiring;
pub mod extractors;
pub mod health;
pub mod limits;
mod linger;
mod local;
mod logins;
pub mod metrics;
pub mod middleware;
pub mod openapi;
mod redis;
pub mod routes;
pub mod server;
mod streams;
mod throttle;
pub mod uploads;

pub use app::App;
pub use config::Config;
pub use error::{Error, JsonResult};
