//! Tests with a real server.

use std::{collections::BTreeMap, sync::Mutex};

use async_nats::jetstream::{consumer, stream};

use super::*;
use crate::nats::server;

async fn started() -> (devstack::Stack, Nats) {
    let (stack, nats) = server::start().await;
    for (name, subject) in [("JOBS", "jobs.>".to_owned()), ("DEAD", subjects::dead_letter("jobs"))] {
        let stream = stream::Config { name: name.to_owned(), subjects: vec![subject], ..Default::default() };
        nats.jetstream.create_stream(stream).await.unwrap();
    }
    let config = pull::Config { durable_name: Some("jobs".to_owned()), ..Default::default() };
    let _: consumer::Consumer<pull::Config> =
        nats.jetstream.create_consumer_on_stream(config, "JOBS").await.unwrap();
    (stack, nats)
}

/// Notes what is handled together and alone. A message "bad" panics, "late" does so after it had to wait twice, and "long" fails
/// with a reason that no header holds.
#[derive(Default)]
struct Noting {
    together: Mutex<Vec<Vec<String>>>,
    alone: Mutex<BTreeMap<String, u32>>,
    given_up: Mutex<Vec<String>>,
}

fn words(delivery: &Delivery) -> String {
    String::from_utf8(delivery.payload.to_vec()).unwrap()
}

impl Handler for Noting {
    async fn handle(&self, delivery: Delivery) -> Result<(), Failure> {
        let attempts = {
            let mut alone = self.alone.lock().unwrap();
            let attempts = alone.entry(words(&delivery)).or_default();
            *attempts += 1;
            *attempts
        };
        assert_ne!(words(&delivery), "bad");
        if words(&delivery) == "late" {
            assert!(attempts <= 2);
            return Err(Failure::Wait("not yet".to_owned()));
        }
        if words(&delivery) == "long" {
            let reason = Reason { code: "x".repeat(70_000), ..messages::jobs::internal().reason("") };
            return Err(Failure::Dead(reason));
        }
        Ok(())
    }

    fn together(&self, first: &Delivery) -> usize {
        if first.attempt == 1 { 4 } else { 1 }
    }

    async fn handle_together(&self, deliveries: Vec<Delivery>) -> Vec<Option<Result<(), Failure>>> {
        let all: Vec<String> = deliveries.iter().map(words).collect();
        self.together.lock().unwrap().push(all.clone());
        assert!(all.iter().all(|one| one != "bad"));
        // Every second one must be handled alone.
        (0..all.len()).map(|at| at.is_multiple_of(2).then_some(Ok(()))).collect()
    }

    async fn give_up(&self, delivery: &Delivery, _reason: &Reason) -> anyhow::Result<DateTime<Utc>> {
        self.given_up.lock().unwrap().push(words(delivery));
        Ok(delivery.published)
    }
}

/// Handles these messages until none is left, with one slot.
async fn handled(nats: &Nats, messages: &[&str]) -> Noting {
    for message in messages {
        nats.publish_raw("jobs.x".to_owned(), HeaderMap::new(), (*message).to_owned().into()).await.unwrap();
    }
    let (handler, stopping) = (Arc::new(Noting::default()), CancellationToken::new());
    let settings =
        Settings { stream: "JOBS", consumer: "jobs".to_owned(), slots: 1, max_attempts: 2, confirm: true };
    let running = tokio::spawn(run(nats.clone(), settings, handler.clone(), stopping.clone()));
    let mut consumer: Consumer<pull::Config> =
        nats.jetstream.get_consumer_from_stream("jobs", "JOBS").await.unwrap();
    loop {
        let info = consumer.info().await.unwrap();
        if info.num_pending == 0 && info.num_ack_pending == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stopping.cancel();
    running.await.unwrap().unwrap();
    Arc::into_inner(handler).unwrap()
}

#[tokio::test]
async fn messages_that_wait_are_handled_together_and_the_rest_alone() {
    let (_stack, nats) = started().await;
    let Noting { together, alone, given_up } = handled(&nats, &["a", "b", "c", "d", "e"]).await;
    assert_eq!(together.into_inner().unwrap(), [["a", "b", "c", "d"]], "\"e\" came last, and alone");
    let alone: Vec<(String, u32)> = alone.into_inner().unwrap().into_iter().collect();
    assert_eq!(alone, ["b", "d", "e"].map(|one| (one.to_owned(), 1)));
    assert!(given_up.into_inner().unwrap().is_empty());
}

#[tokio::test]
async fn a_message_that_panics_costs_those_that_came_with_it_nothing() {
    let (_stack, nats) = started().await;
    let Noting { together, alone, given_up } = handled(&nats, &["a", "bad", "c"]).await;
    assert_eq!(together.into_inner().unwrap(), [["a", "bad", "c"]]);
    let alone: Vec<(String, u32)> = alone.into_inner().unwrap().into_iter().collect();
    assert_eq!(alone, [("a".to_owned(), 1), ("bad".to_owned(), 2), ("c".to_owned(), 1)]);
    assert_eq!(given_up.into_inner().unwrap(), ["bad"]);
}

#[tokio::test]
async fn attempts_that_had_to_wait_do_not_count() {
    let (_stack, nats) = started().await;
    let Noting { alone, given_up, .. } = handled(&nats, &["late"]).await;
    assert_eq!(alone.into_inner().unwrap()["late"], 4, "it waited twice and failed twice");
    assert_eq!(given_up.into_inner().unwrap(), ["late"]);
}

#[tokio::test]
async fn a_dead_letter_that_is_refused_is_published_without_its_reason() {
    let (_stack, nats) = started().await;
    let given_up = handled(&nats, &["long"]).await.given_up;
    assert_eq!(given_up.into_inner().unwrap(), ["long"]);
    let dead = nats.jetstream.get_stream("DEAD").await.unwrap();
    let letter = dead.get_last_raw_message_by_subject(&subjects::dead_letter("jobs")).await.unwrap();
    assert_eq!((letter.sequence, letter.payload.as_ref()), (1, b"long".as_slice()));
    let header = |name| text(Some(&letter.headers), name).unwrap();
    assert_eq!(header(headers::DEAD_SUBJECT), "jobs.x");
    assert!(header(headers::DEAD_REASON).starts_with("internal: "), "{}", header(headers::DEAD_REASON));
}
