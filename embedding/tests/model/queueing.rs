//! Many callers and few threads.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use embedding::{Config, Embed, Error, Model};
use futures::future::join_all;
use prometheus::core::Collector as _;

use crate::{config, model, passages};

const SENTENCE: &str = "El contratista verificará las cotas de la cimentación antes del vaciado. ";

#[tokio::test]
async fn a_vector_does_not_depend_on_what_else_is_embedded() {
    let model = model();
    let texts: Vec<String> = (1..12).map(|n| format!("Plano {n}: {}", SENTENCE.repeat(n))).collect();
    let mut alone = Vec::new();
    for text in &texts {
        alone.push(passages(&model, vec![text.clone()]).await.unwrap().remove(0));
    }
    let queries = join_all((0..20).map(|_| model.query(SENTENCE)));
    let other: Vec<String> = texts.iter().rev().cloned().collect();
    let (amid, reversed, queries) = futures::join!(passages(&model, texts), passages(&model, other), queries);
    assert_eq!(amid.unwrap(), alone);
    assert_eq!(reversed.unwrap().into_iter().rev().collect::<Vec<_>>(), alone);
    let first = queries[0].as_ref().unwrap();
    assert!(queries.iter().all(|query| query.as_ref().unwrap() == first));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_takes_more_when_it_has_room() {
    let model = slow_model(4).await;
    let document = spawn_passages(&model, 12);
    until(&model, |model| waiting(model) >= 4).await;

    let refused = passages(&model, vec![SENTENCE.to_owned(); 3]).await;
    assert!(!document.is_finished(), "it waited for room");
    assert_eq!(refused, Err(Error::Busy));
    assert!(Error::Busy.is_transient());
    assert_eq!(texts(&model, "passage", "refused"), 3);
    // The other lane has room of its own.
    model.query(SENTENCE).await.unwrap();

    document.await.unwrap().unwrap();
    passages(&model, vec![SENTENCE.to_owned(); 3]).await.unwrap();
    assert_eq!(texts(&model, "passage", "embedded"), 15);
}

#[tokio::test]
async fn a_query_overtakes_the_passages_that_wait() {
    let model = slow_model(100).await;
    let document = spawn_passages(&model, 20);
    until(&model, |model| (16..20).contains(&waiting(model))).await;
    model.query(SENTENCE).await.unwrap();
    assert!(waiting(&model) > 10, "{}", waiting(&model));
    assert_eq!(document.await.unwrap().unwrap().len(), 20);
}

#[tokio::test]
async fn documents_take_turns() {
    let model = slow_model(100).await;
    let long = spawn_passages(&model, 20);
    until(&model, |model| waiting(model) > 15).await;
    passages(&model, vec![SENTENCE.to_owned()]).await.unwrap();
    assert!(waiting(&model) > 10, "{}", waiting(&model));
    long.await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_works_for_a_caller_that_went_away() {
    let model = slow_model(100).await;
    let document = spawn_passages(&model, 30);
    until(&model, |model| waiting(model) > 20).await;
    document.abort();
    assert!(document.await.unwrap_err().is_cancelled());
    // Behind them in the lane, so they have been looked at by the time it is answered.
    passages(&model, vec![SENTENCE.to_owned(); 2]).await.unwrap();
    let done = |model: &Model| ["abandoned", "embedded"].map(|outcome| texts(model, "passage", outcome));
    until(&model, |model| done(model).iter().sum::<usize>() == 32).await;
    assert!(done(&model)[0] > 15, "{:?}", done(&model));
}

#[tokio::test]
async fn closing_answers_everyone() {
    let model = slow_model(100).await;
    let document = spawn_passages(&model, 20);
    until(&model, |model| waiting(model) > 10).await;
    model.close();
    assert_eq!(document.await.unwrap(), Err(Error::Closed));
    assert_eq!(model.query(SENTENCE).await, Err(Error::Closed));
}

#[tokio::test]
async fn warming_up_takes_both_lanes() {
    let model = slow_model(100).await;
    let embedded = || ["query", "passage"].map(|lane| texts(&model, lane, "embedded"));
    assert_eq!((shown(&model, "acorag_embedding_threads"), embedded()), (1.0, [0, 0]));
    model.warm_up().await.unwrap();
    assert_eq!(embedded(), [1, 1]);
    assert!(shown(&model, r#"acorag_embedding_seconds_total{lane="query",stage="worked"}"#) > 0.0);
    assert_eq!(passages(&model, Vec::new()).await, Ok(Vec::new()));
}

#[tokio::test]
async fn passages_that_have_time_are_embedded_by_threads_that_give_way() {
    // SCHED_IDLE in sched(7).
    const IDLE: &str = "5";
    let idle = || {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let stats =
            threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
        // The policy is field 41; the name in field 2 may contain spaces, so fields are counted from its end.
        stats.filter(|stat| stat.rsplit(')').next().unwrap().split_whitespace().nth(38) == Some(IDLE)).count()
    };
    let before = idle();
    let config = Config { embed_threads: NonZeroUsize::new(2), in_background: true, ..config() };
    let model = Model::load(&config).await.unwrap();
    until(&model, |_| idle() == before + 2).await;
    assert_eq!(shown(&model, "acorag_embedding_threads"), 4.0);
    let bulk = model.bulk_passages(vec![SENTENCE.to_owned().into()]).await.unwrap();
    assert_eq!(bulk[0].vector, passages(&model, vec![SENTENCE.to_owned()]).await.unwrap()[0]);
}

/// One thread, and passages long enough for it to be behind.
async fn slow_model(queue: usize) -> Model {
    let config = Config {
        embed_threads: NonZeroUsize::new(1),
        embed_queue: NonZeroUsize::new(queue).unwrap(),
        in_background: false,
        ..config()
    };
    Model::load(&config).await.unwrap()
}

fn spawn_passages(model: &Model, count: usize) -> tokio::task::JoinHandle<Result<Vec<Vec<f32>>, Error>> {
    let model = model.clone();
    tokio::spawn(async move { passages(&model, vec![SENTENCE.repeat(30); count]).await })
}

async fn until(model: &Model, reached: impl Fn(&Model) -> bool) {
    let started = Instant::now();
    while !reached(model) {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", rendered(model));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Passages in the queue.
fn waiting(model: &Model) -> usize {
    shown(model, r#"acorag_embedding_waiting{lane="passage"}"#) as usize
}

fn texts(model: &Model, lane: &str, outcome: &str) -> usize {
    let name = format!(r#"acorag_embedding_texts_total{{lane="{lane}",outcome="{outcome}"}}"#);
    shown(model, &name) as usize
}

/// What Prometheus is shown under this name.
fn shown(model: &Model, name: &str) -> f64 {
    let text = rendered(model);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn rendered(model: &Model) -> String {
    prometheus::TextEncoder::new().encode_to_string(&model.collect()).unwrap()
}
