//! Many callers and few threads.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use embedding::{Config, Embed, Error, Model};
use futures::future::join_all;

use crate::{config, model};

const SENTENCE: &str = "El contratista verificará las cotas de la cimentación antes del vaciado. ";

#[tokio::test]
async fn a_vector_does_not_depend_on_what_else_is_embedded() {
    let model = model();
    let texts: Vec<String> = (1..12).map(|n| format!("Plano {n}: {}", SENTENCE.repeat(n))).collect();
    let mut alone = Vec::new();
    for text in &texts {
        alone.push(model.passages(vec![text.clone()]).await.unwrap().remove(0));
    }
    let queries = join_all((0..20).map(|_| model.query(SENTENCE)));
    let other: Vec<String> = texts.iter().rev().cloned().collect();
    let (amid, reversed, queries) = futures::join!(model.passages(texts), model.passages(other), queries);
    assert_eq!(amid.unwrap(), alone);
    assert_eq!(reversed.unwrap().into_iter().rev().collect::<Vec<_>>(), alone);
    let first = queries[0].as_ref().unwrap();
    assert!(queries.iter().all(|query| query.as_ref().unwrap() == first));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_takes_more_when_it_has_room() {
    let model = slow_model(4).await;
    let document = spawn_passages(&model, 12);
    until(&model, |stats| stats.passages.waiting >= 4).await;

    let refused = model.passages(vec![SENTENCE.to_owned(); 3]).await;
    assert!(!document.is_finished(), "it waited for room");
    assert_eq!(refused, Err(Error::Busy));
    assert!(Error::Busy.is_transient());
    assert_eq!(model.stats().passages.refused, 3);
    // The other lane has room of its own.
    model.query(SENTENCE).await.unwrap();

    document.await.unwrap().unwrap();
    model.passages(vec![SENTENCE.to_owned(); 3]).await.unwrap();
    assert_eq!(model.stats().passages.embedded, 15);
}

#[tokio::test]
async fn a_query_overtakes_the_passages_that_wait() {
    let model = slow_model(100).await;
    let document = spawn_passages(&model, 20);
    until(&model, |stats| stats.busy == 1 && stats.passages.waiting > 15).await;
    model.query(SENTENCE).await.unwrap();
    let stats = model.stats();
    assert!(stats.passages.waiting > 10, "{stats:?}");
    assert_eq!(document.await.unwrap().unwrap().len(), 20);
}

#[tokio::test]
async fn documents_take_turns() {
    let model = slow_model(100).await;
    let long = spawn_passages(&model, 20);
    until(&model, |stats| stats.passages.waiting > 15).await;
    model.passages(vec![SENTENCE.to_owned()]).await.unwrap();
    assert!(model.stats().passages.waiting > 10);
    long.await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_works_for_a_caller_that_went_away() {
    let model = slow_model(100).await;
    let document = spawn_passages(&model, 30);
    until(&model, |stats| stats.passages.waiting > 20).await;
    document.abort();
    assert!(document.await.unwrap_err().is_cancelled());
    // Behind them in the lane, so they have been looked at by the time it is answered.
    model.passages(vec![SENTENCE.to_owned(); 2]).await.unwrap();
    until(&model, |stats| stats.passages.waiting == 0 && stats.busy == 0).await;
    let passages = model.stats().passages;
    assert!(passages.abandoned > 15, "{passages:?}");
    assert_eq!(passages.abandoned + passages.embedded, 32);
}

#[tokio::test]
async fn closing_answers_everyone() {
    let model = slow_model(100).await;
    let document = spawn_passages(&model, 20);
    until(&model, |stats| stats.passages.waiting > 10).await;
    model.close();
    assert_eq!(document.await.unwrap(), Err(Error::Closed));
    assert_eq!(model.query(SENTENCE).await, Err(Error::Closed));
}

#[tokio::test]
async fn warming_up_takes_both_lanes() {
    let model = slow_model(100).await;
    let cold = model.stats();
    assert_eq!((cold.threads, cold.queries.embedded, cold.passages.embedded), (1, 0, 0));
    model.warm_up().await.unwrap();
    let warm = model.stats();
    assert_eq!((warm.queries.embedded, warm.passages.embedded), (1, 1));
    assert!(warm.queries.tokens > 5 && warm.queries.worked > Duration::ZERO);
    assert_eq!(model.passages(Vec::new()).await, Ok(Vec::new()));
}

/// One thread, and passages long enough for it to be behind.
async fn slow_model(queue: usize) -> Model {
    let config = Config {
        embed_threads: NonZeroUsize::new(1),
        embed_queue: NonZeroUsize::new(queue).unwrap(),
        ..config()
    };
    Model::load(&config).await.unwrap()
}

fn spawn_passages(model: &Model, count: usize) -> tokio::task::JoinHandle<Result<Vec<Vec<f32>>, Error>> {
    let model = model.clone();
    tokio::spawn(async move { model.passages(vec![SENTENCE.repeat(30); count]).await })
}

async fn until(model: &Model, reached: impl Fn(embedding::Stats) -> bool) {
    let started = Instant::now();
    while !reached(model.stats()) {
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", model.stats());
        tokio::task::yield_now().await;
    }
}
