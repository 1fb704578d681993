//! The common foundation of all acorag services. It knows nothing of documents and searches.

pub mod crash;
pub mod health;
pub mod lifecycle;
pub mod lock;
pub mod metrics;
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod redis;
pub mod shares;
pub mod telemetry;
