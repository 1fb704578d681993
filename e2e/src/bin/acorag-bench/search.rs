//! Measures searches: the time of one client, the throughput of many, the first after a start, and cached ones.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use e2e::{Client, System};
use serde_json::json;

use crate::{
    ceiling::{Ceiling, Questions},
    cpu::Cpu,
    figures::{Figures, median, percentile},
    ingest::PROJECT,
    stages::Stages,
};

/// Makes one search and returns its milliseconds.
pub async fn timed(client: &Client, project: &str, query: &str) -> Result<f64> {
    let started = Instant::now();
    client.search(project, query).await?;
    Ok(started.elapsed().as_secs_f64() * 1_000.0)
}

/// Measures the searches of a single client, and how their time is divided.
pub async fn alone(
    system: &System,
    ceiling: &Ceiling,
    questions: &mut Questions,
    figures: &mut Figures,
) -> Result<f64> {
    const SEARCHES: usize = 300;
    let client = system.client()?;
    let embedding = ceiling.lone_query(&questions.some(SEARCHES)).await?;
    for query in questions.some(20) {
        timed(&client, PROJECT, &query).await?;
    }
    let before = Stages::read(system).await?;
    let mut times = Vec::with_capacity(SEARCHES);
    for query in questions.some(SEARCHES) {
        times.push(timed(&client, PROJECT, &query).await?);
    }
    let stages = Stages::read(system).await?.since(&before);
    times.sort_by(f64::total_cmp);
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| percentile(&times, share));
    figures.ratio("search alone: p50", p50, "ms", "embedding it alone", embedding);
    figures.ratio("search alone: p95", p95, "ms", "p50", p50);
    figures.ratio("search alone: p99", p99, "ms", "p50", p50);
    // The keyword leg runs while the query is embedded; the rest is HTTP, the queue and the ends of the transactions.
    let on_the_path = stages.mean("embed") + stages.mean("vector") + stages.mean("rows");
    figures.ratio("  of it outside embedding and SQL", p50 - on_the_path, "ms", "p50", p50);
    Ok(p50)
}

/// Measures many clients at the same time; no question was asked before.
pub async fn together(
    client: &Client,
    project: &str,
    clients: usize,
    questions: &mut Questions,
) -> Result<(f64, f64)> {
    const WARM: Duration = Duration::from_millis(500);
    const TIME: Duration = Duration::from_secs(7);
    let shared = Mutex::new((questions, Vec::new()));
    let answered = AtomicUsize::new(0);
    let started = Instant::now();
    let lock = || shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let searching = (0..clients).map(|_| async {
        while started.elapsed() < WARM + TIME {
            let query = lock().0.one();
            let took = timed(client, project, &query).await?;
            // Only answers between the end of the warm-up and the end of the measurement count.
            if started.elapsed() > WARM && started.elapsed() < WARM + TIME {
                answered.fetch_add(1, Ordering::Relaxed);
                lock().1.push(took);
            }
        }
        Ok::<_, anyhow::Error>(())
    });
    futures::future::try_join_all(searching).await?;
    let mut times = std::mem::take(&mut lock().1);
    times.sort_by(f64::total_cmp);
    Ok((answered.load(Ordering::Relaxed) as f64 / TIME.as_secs_f64(), percentile(&times, 0.95)))
}

pub async fn throughput(
    system: &System,
    ceiling: &mut Ceiling,
    questions: &mut Questions,
    figures: &mut Figures,
) -> Result<()> {
    const SAMPLE: usize = 800;
    let client = &system.client()?;
    let (mut rates, mut used) = (Vec::new(), None);
    for clients in [8, 50, 200] {
        ceiling.measure_queries(&questions.some(SAMPLE)).await?;
        let (before, searches) = (Cpu::read(system)?, Stages::read(system).await?);
        rates.push(together(client, PROJECT, clients, questions).await?);
        let count = Stages::read(system).await?.since(&searches).count("embed");
        if clients == 50 {
            used = Some((before, Cpu::read(system)?, count));
        }
    }
    ceiling.measure_queries(&questions.some(SAMPLE)).await?;
    let most = ceiling.queries();
    figures.plain("model: queries", most, "1/s");
    let names =
        [("search: 8 clients", "  p95"), ("search: 50 clients", "  p95"), ("search: 200 clients", "  p95")];
    for ((rate, p95), (name, tail)) in rates.into_iter().zip(names) {
        figures.ratio(name, rate, "1/s", "the model alone", most);
        figures.plain(tail, p95, "ms");
    }
    if let Some((before, after, count)) = used {
        let names =
            ["search: processor time, 50 clients", "  worker", "  api", "  PostgreSQL", "  NATS", "  Valkey"];
        after.report(before, count, names, figures);
    }
    Ok(())
}

/// Measures the first search after a start, three times; the slowest is compared with a typical search.
pub async fn cold(
    system: &mut System,
    typical: f64,
    questions: &mut Questions,
    figures: &mut Figures,
) -> Result<()> {
    let mut first = 0.0_f64;
    for _ in 0..3 {
        for service in system.query_workers.iter_mut().chain(&mut system.apis) {
            service.kill()?;
            service.restart().await?;
        }
        let client = system.client()?;
        first = first.max(timed(&client, PROJECT, &questions.one()).await?);
    }
    figures.ratio("search: first after a start, worst of 3", first, "ms", "typical", typical);
    Ok(())
}

/// Measures repeated searches, if the answers say whether they come from the cache.
pub async fn cached(
    client: &Client,
    typical: f64,
    questions: &mut Questions,
    figures: &mut Figures,
) -> Result<()> {
    const SEARCHES: usize = 200;
    let body = json!({"query": questions.one(), "project_id": PROJECT, "top_k": 10});
    client.search_with(body.clone()).await?;
    let answer = client.post("/search", &body).await?;
    let hit = answer.headers().get("x-cache").is_some_and(|value| value == "hit");
    if !hit {
        eprintln!("no x-cache: nothing is cached");
        return Ok(());
    }
    let mut times = Vec::with_capacity(SEARCHES);
    for _ in 0..SEARCHES {
        let started = Instant::now();
        let answer = client.post("/search", &body).await?;
        ensure!(answer.status().is_success(), "search: {}", answer.status());
        answer.bytes().await?;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    figures.ratio("search: cached, p50", median(times), "ms", "not cached", typical);
    Ok(())
}
