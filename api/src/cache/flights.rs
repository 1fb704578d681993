//! Identical questions that are under way at the same time are asked once.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;

/// Answers under way, by question. The key must hold everything the answer depends on: for a search also the
/// generations, or a client that knows of a new document could join a question that was asked before it.
pub struct Flights<K, V>(Arc<Mutex<HashMap<K, Arc<OnceCell<V>>>>>);

impl<K, V> Clone for Flights<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Flights<K, V> {
    /// The answer, and whether this caller asked for it. When the one who asked goes away, another one asks.
    pub async fn join(&self, key: K, ask: impl Future<Output = V>) -> (V, bool) {
        let cell = self.lock().entry(key.clone()).or_default().clone();
        let _seat = Seat { flights: self, key, cell: cell.clone() };
        let mut asked = false;
        let answer = cell
            .get_or_init(|| {
                asked = true;
                ask
            })
            .await;
        (answer.clone(), asked)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Arc<OnceCell<V>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits. The first to have the answer closes the flight: later ones find it in the cache. When all go away
/// before, the last one does.
struct Seat<'a, K: Hash + Eq + Clone, V: Clone> {
    flights: &'a Flights<K, V>,
    key: K,
    cell: Arc<OnceCell<V>>,
}

impl<K: Hash + Eq + Clone, V: Clone> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // Held by the map, by this seat and by the future that is ending with it.
        let last = Arc::strong_count(&self.cell) <= 3;
        if (self.cell.initialized() || last)
            && flights.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell))
        {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn one_asks_and_all_hear_and_nothing_is_left() {
        let (flights, asked, go) = (Flights::<u8, u8>::default(), AtomicUsize::new(0), Notify::new());
        let ask = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            go.notified().await;
            7
        };
        let (a, b, c, ()) =
            tokio::join!(flights.join(1, ask()), flights.join(1, ask()), flights.join(1, ask()), async {
                go.notify_one()
            });
        assert_eq!([a.0, b.0, c.0], [7, 7, 7]);
        assert_eq!([a.1, b.1, c.1].iter().filter(|asked| **asked).count(), 1);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn when_the_asker_leaves_another_one_asks() {
        let flights = Flights::<u8, u8>::default();
        let waiting = {
            let flights = flights.clone();
            tokio::spawn(async move { flights.join(1, std::future::pending()).await })
        };
        tokio::task::yield_now().await;
        let other = {
            let flights = flights.clone();
            tokio::spawn(async move { flights.join(1, async { 9 }).await })
        };
        tokio::task::yield_now().await;
        waiting.abort();
        assert_eq!(other.await.unwrap(), (9, true));
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn when_all_leave_nothing_is_left() {
        let flights = Flights::<u8, u8>::default();
        let waiting = {
            let flights = flights.clone();
            tokio::spawn(async move { flights.join(1, std::future::pending()).await })
        };
        tokio::task::yield_now().await;
        waiting.abort();
        drop(waiting.await);
        assert!(flights.lock().is_empty());
    }
}
