//! A complete acorag on free ports, for tests and benchmarks: the real servers and the real programs.

pub mod accounts;
pub mod attack;
pub mod hostile;
pub mod producer;
pub mod prose;
mod random;
mod system;
mod times;
mod tls;

pub use devstack::{Client, Upload, binary};
pub use random::Random;
pub use system::{Options, Service, System};
pub use times::{median, percentiles, timed};
pub use tls::{Certificates, verified};
