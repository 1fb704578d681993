//! Single flight: callers that ask the same question at the same time share one answer.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, Mutex},
};

use platform::lock::lock;
use tokio::sync::OnceCell;

/// Answers in progress, by question. The key must contain everything that the answer depends on, for a search also the
/// generations: otherwise a client that knows of a new document could get an answer from before it.
#[derive(Clone)]
pub struct SingleFlight<K, V>(Arc<Mutex<HashMap<K, Flight<V>>>>);

struct Flight<V> {
    answer: Arc<OnceCell<V>>,
    waiters: usize,
}

impl<K, V> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq + Clone, V: Clone> SingleFlight<K, V> {
    /// Returns the answer, and whether this caller's `ask` produced it. If the caller whose `ask` runs is
    /// cancelled, the `ask` of another waiting caller runs.
    pub async fn join(&self, key: K, ask: impl Future<Output = V>) -> (V, bool) {
        let answer = {
            let mut flights = lock(&self.0);
            let flight =
                flights.entry(key.clone()).or_insert_with(|| Flight { answer: Arc::default(), waiters: 0 });
            flight.waiters += 1;
            flight.answer.clone()
        };
        let waiter = Waiter { flights: self, key, answer };
        let mut asked = false;
        let ask = || {
            asked = true;
            ask
        };
        (waiter.answer.get_or_init(ask).await.clone(), asked)
    }
}

/// A caller that waits for an answer. The first one that has it removes the flight, because later callers find the
/// answer in the cache. If nobody gets an answer, the last one that is dropped removes the flight.
struct Waiter<'a, K: Hash + Eq + Clone, V: Clone> {
    flights: &'a SingleFlight<K, V>,
    key: K,
    answer: Arc<OnceCell<V>>,
}

impl<K: Hash + Eq + Clone, V: Clone> Drop for Waiter<'_, K, V> {
    fn drop(&mut self) {
        let mut flights = lock(&self.flights.0);
        if let Entry::Occupied(mut flight) = flights.entry(self.key.clone())
            && Arc::ptr_eq(&flight.get().answer, &self.answer)
        {
            flight.get_mut().waiters -= 1;
            if flight.get().waiters == 0 || self.answer.initialized() {
                flight.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests;
