//! A whole acorag on free ports, for tests and benchmarks: the real servers and the services as they ship.

mod client;
mod system;

pub use client::{Client, Upload};
pub use system::{Options, System};
