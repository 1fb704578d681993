//! Free ports on 127.0.0.1.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

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
    for attempt in 0..200_u64 {
        let offset = random.hash_one(attempt) % u64::from(RANGE.end - RANGE.start);
        let port = RANGE.start + u16::try_from(offset)?;
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end)
}

/// Whether no program listens on a port of 127.0.0.1.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
