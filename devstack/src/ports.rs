//! Free ports on 127.0.0.1.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// The ports of the servers on 127.0.0.1.
///
/// If a given port is in use, the start fails. Without a given port, a server uses a free one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ports {
    pub nats: Option<u16>,
    pub nats_monitor: Option<u16>,
    pub postgres: Option<u16>,
    pub redis: Option<u16>,
}

/// The range is below the ports of outgoing connections, so that the port of a server that a test stops is still free
/// when the server starts again.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

pub fn free_port() -> Result<u16> {
    let random = RandomState::new();
    let offset = |attempt: u64| random.hash_one(attempt) % RANGE.len() as u64;
    let mut ports = (0..200).map(|attempt| RANGE.start + offset(attempt) as u16);
    let none = || format!("no free port on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end);
    ports.find(|port| is_free(*port)).with_context(none)
}

/// Whether no program listens on a port of 127.0.0.1.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
