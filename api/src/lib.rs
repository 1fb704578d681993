//! acorag's HTTP interface. It knows NATS and Redis, no SQL and no model: it checks, asks, publishes and answers.
//!
//! A request passes [`middleware`] (id, span, log line, error shape), [`arrival`] (its body), [`authentication`] (who is it)
//! and [`limits`], and reaches a handler under [`routes`], which extracts, validates, makes one call and replies.

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
mod shares;
mod streams;
mod throttle;
pub mod uploads;

pub use app::App;
pub use config::Config;
pub use error::Error;
