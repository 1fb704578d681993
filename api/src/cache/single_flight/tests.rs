use std::sync::{
    Barrier,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{sync::Notify, task::JoinHandle};

use super::*;

type Flights = SingleFlight<u8, u8>;

/// Starts a task that waits for an answer. Returns once the task is waiting.
async fn waiting(
    flights: &Flights,
    ask: impl Future<Output = u8> + Send + 'static,
) -> JoinHandle<(u8, bool)> {
    let waiters = |flights: &Flights| lock(&flights.0).get(&1).map_or(0, |flight| flight.waiters);
    let before = waiters(flights);
    let joining = flights.clone();
    let task = tokio::spawn(async move { joining.join(1, ask).await });
    while waiters(flights) == before {
        tokio::task::yield_now().await;
    }
    task
}

#[tokio::test]
async fn one_asks_and_all_hear_and_nothing_is_left() {
    let (flights, asked, go) = (Flights::default(), AtomicUsize::new(0), Notify::new());
    let ask = || async {
        asked.fetch_add(1, Ordering::SeqCst);
        go.notified().await;
        7
    };
    let (a, b, c, ()) =
        tokio::join!(flights.join(1, ask()), flights.join(1, ask()), flights.join(1, ask()), async {
            go.notify_one();
        });
    assert_eq!([a.0, b.0, c.0], [7, 7, 7]);
    assert_eq!([a.1, b.1, c.1].iter().filter(|asked| **asked).count(), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(lock(&flights.0).is_empty());
}

#[tokio::test]
async fn when_the_asker_leaves_another_one_asks() {
    let flights = Flights::default();
    let first = waiting(&flights, std::future::pending()).await;
    let other = waiting(&flights, async { 9 }).await;
    first.abort();
    assert_eq!(other.await.unwrap(), (9, true));
    assert!(lock(&flights.0).is_empty());
}

#[tokio::test]
async fn an_answer_is_not_shared_with_those_who_come_after_it() {
    let flights = Flights::default();
    assert_eq!(flights.join(1, async { 1 }).await, (1, true));
    assert_eq!(flights.join(1, async { 2 }).await, (2, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_two_leave_at_once_nothing_is_left() {
    for _ in 0..200 {
        let flights = Flights::default();
        // Two threads, released at the same moment, cancel one waiter each.
        let start = Barrier::new(2);
        let mut tasks = [
            Box::pin(flights.join(1, std::future::pending())),
            Box::pin(flights.join(1, std::future::pending())),
        ];
        for task in &mut tasks {
            assert!(futures::poll!(task.as_mut()).is_pending());
        }
        assert_eq!(lock(&flights.0)[&1].waiters, 2);
        std::thread::scope(|threads| {
            for task in tasks {
                threads.spawn(|| {
                    start.wait();
                    drop(task);
                });
            }
        });
        assert!(lock(&flights.0).is_empty());
    }
}

#[tokio::test]
async fn who_joins_a_flight_that_has_landed_begins_another() {
    let flights = Flights::default();
    let go = Arc::new(Notify::new());
    let landing = go.clone();
    let first = waiting(&flights, async move {
        landing.notified().await;
        1
    })
    .await;
    // A second waiter of the first flight. It is dropped only after the next flight has begun.
    let mut second = Box::pin(flights.join(1, std::future::pending()));
    assert!(futures::poll!(second.as_mut()).is_pending());
    go.notify_one();
    assert_eq!(first.await.unwrap(), (1, true));
    let third = waiting(&flights, std::future::pending()).await;
    assert_eq!(second.await, (1, false));
    assert_eq!(lock(&flights.0)[&1].waiters, 1, "the first flight's waiters leave the next one alone");
    third.abort();
}
