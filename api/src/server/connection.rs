//! Limits the number of open connections, in total and for each address.
//!
//! When a limit is reached, the connection that has been idle longest (without a request in progress) is closed. If all
//! are busy, the new connection is closed instead, which load balancers can handle.

use std::{
    collections::BTreeMap,
    io,
    ops::RangeBounds,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use platform::lock::lock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub struct Connections(Arc<Bounds>);

struct Bounds {
    most: usize,
    most_of_one: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: BTreeMap<Key, State>,
}

/// The address of a connection, and its number.
type Key = (String, u64);

struct State {
    /// Number of requests in progress. A request is in progress until the last byte of its response is sent.
    requests: usize,
    idle_since: Instant,
    closed: CancellationToken,
}

/// An open connection. It counts towards the limits until it is dropped, or closed to make room for another.
pub struct Connection {
    connections: Connections,
    key: Key,
    /// Cancelled when this connection is closed to make room.
    pub closed: CancellationToken,
    /// Whether a first request has arrived.
    asked: AtomicBool,
}

/// A request in progress, until this is dropped.
pub struct Busy(Arc<Connection>);

impl Connections {
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self(Arc::new(Bounds { most, most_of_one, open: Mutex::default() }))
    }

    pub fn open(&self, address: String) -> io::Result<Arc<Connection>> {
        let mut open = lock(&self.0.open);
        let of_address = (address.clone(), 0)..=(address.clone(), u64::MAX);
        if open.connections.range(of_address.clone()).count() >= self.0.most_of_one {
            open.make_room(of_address)?;
        } else if open.connections.len() >= self.0.most {
            open.make_room(..)?;
        }
        let (key, closed) = ((address, open.next), CancellationToken::new());
        open.next += 1;
        let state = State { requests: 0, idle_since: Instant::now(), closed: closed.clone() };
        open.connections.insert(key.clone(), state);
        Ok(Arc::new(Connection { connections: self.clone(), key, closed, asked: AtomicBool::new(false) }))
    }
}

impl Open {
    /// Closes the connection of this range that has been idle longest. Fails if none of them is idle.
    fn make_room(&mut self, range: impl RangeBounds<Key>) -> io::Result<()> {
        let idle = self.connections.range(range).filter(|(_, state)| state.requests == 0);
        let longest = idle.min_by_key(|(_, state)| state.idle_since).map(|(key, _)| key.clone());
        let longest = longest.ok_or_else(|| io::Error::other("too many busy connections"))?;
        if let Some(state) = self.connections.remove(&longest) {
            state.closed.cancel();
        }
        Ok(())
    }
}

impl Connection {
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.asked.store(true, Ordering::Relaxed);
        if let Some(state) = lock(&self.connections.0.open).connections.get_mut(&self.key) {
            state.requests += 1;
        }
        Busy(self.clone())
    }

    pub fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(state) = lock(&self.0.connections.0.open).connections.get_mut(&self.0.key) {
            state.requests -= 1;
            state.idle_since = Instant::now();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        lock(&self.connections.0.open).connections.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_longest_gives_way_and_who_is_busy_stays() {
        let connections = Connections::new(4, 2);
        let open = async |address: &str| {
            tokio::time::advance(Duration::from_secs(1)).await;
            connections.open(address.to_owned())
        };
        let (first, second) = (open("a").await.unwrap(), open("a").await.unwrap());
        // The request of the first connection ends after the second connection was opened.
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(first.begin());
        let third = open("a").await.unwrap();
        assert!(second.closed.is_cancelled() && !first.closed.is_cancelled());

        let (_other, busy) = (open("b").await.unwrap(), open("c").await.unwrap());
        let _request = busy.begin();
        let _next = open("d").await.unwrap();
        assert!(first.closed.is_cancelled() && !third.closed.is_cancelled() && !busy.closed.is_cancelled());

        let _another = open("c").await.unwrap().begin();
        assert!(open("c").await.is_err(), "all of its connections are busy");
    }

    #[tokio::test]
    async fn nothing_is_remembered_of_a_connection_that_ended() {
        let connections = Connections::new(2, 1);
        let first = connections.open("a".to_owned()).unwrap();
        let second = connections.open("a".to_owned()).unwrap();
        drop((first, second.begin(), second));
        assert!(lock(&connections.0.open).connections.is_empty());
    }
}
