//! What every acorag service stands on. Nothing here knows what a document or a search is.

pub mod crash;
pub mod health;
pub mod lifecycle;
pub mod metrics;
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod redis;
pub mod telemetry;
