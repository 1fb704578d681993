//! Limits the number of open connections, in total and for each address.
//!
//! When a limit is reached, the connection that has been idle longest (without a request in progress) is closed. If all
//! are busy, the new connection is closed instead, which load balancers can handle.

use std::{
    collections::HashMap,
    io,
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

/// The open connections, by address and then by number.
#[derive(Default)]
struct Open {
    next: u64,
    all: usize,
    by: HashMap<String, HashMap<u64, State>>,
}

struct State {
    /// Number of requests in progress. A request is in progress until the last byte of its response is sent.
    requests: usize,
    idle_since: Instant,
    closed: CancellationToken,
}

/// An open connection. It counts towards the limits until it is dropped, or closed to make room for another.
pub struct Connection {
    connections: Connections,
    address: String,
    number: u64,
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
        let of_one = open.by.get(&address).map_or(0, HashMap::len);
        if of_one >= self.0.most_of_one {
            open.make_room(Some(&address))?;
        } else if open.all >= self.0.most {
            open.make_room(None)?;
        }
        let (number, closed) = (open.next, CancellationToken::new());
        open.next += 1;
        open.all += 1;
        let state = State { requests: 0, idle_since: Instant::now(), closed: closed.clone() };
        open.by.entry(address.clone()).or_default().insert(number, state);
        let connections = self.clone();
        Ok(Arc::new(Connection { connections, address, number, closed, asked: AtomicBool::new(false) }))
    }
}

impl Open {
    /// Closes the connection that has been idle longest, of `address` or of all. Fails if none of them is idle.
    fn make_room(&mut self, address: Option<&str>) -> io::Result<()> {
        let candidates = self.by.iter().filter(|(known, _)| address.is_none_or(|address| address == *known));
        let longest = candidates
            .flat_map(|(address, states)| states.iter().map(move |(number, state)| (address, number, state)))
            .filter(|(_, _, state)| state.requests == 0)
            .min_by_key(|(_, _, state)| state.idle_since)
            .map(|(address, number, _)| (address.clone(), *number));
        let (address, number) = longest.ok_or_else(|| io::Error::other("too many busy connections"))?;
        if let Some(state) = self.remove(&address, number) {
            state.closed.cancel();
        }
        Ok(())
    }

    fn remove(&mut self, address: &str, number: u64) -> Option<State> {
        let states = self.by.get_mut(address)?;
        let state = states.remove(&number)?;
        if states.is_empty() {
            self.by.remove(address);
        }
        self.all -= 1;
        Some(state)
    }

    fn state(&mut self, connection: &Connection) -> Option<&mut State> {
        self.by.get_mut(&connection.address)?.get_mut(&connection.number)
    }
}

impl Connection {
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.asked.store(true, Ordering::Relaxed);
        if let Some(state) = lock(&self.connections.0.open).state(self) {
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
        if let Some(state) = lock(&self.0.connections.0.open).state(&self.0) {
            state.requests -= 1;
            state.idle_since = Instant::now();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        lock(&self.connections.0.open).remove(&self.address, self.number);
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
        let open = lock(&connections.0.open);
        assert!(open.all == 0 && open.by.is_empty());
    }
}
