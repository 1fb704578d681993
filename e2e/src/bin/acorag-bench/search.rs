//! Measures searches: the time of one client, the throughput of many, the first after a start, and cached ones.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::{median, percentiles, timed};

use crate::{
    bare,
    bench::Bench,
    cpu::Cpu,
    ingest::PROJECT,
    load::{Clients, Outcomes, Request},
    stages::Stages,
};

/// The number of questions of each measurement of the model alone.
const SAMPLE: usize = 800;

/// Measures the searches of a single client, and how their time is divided.
pub async fn alone(bench: &mut Bench) -> Result<()> {
    let searches = bench.effort.searches;
    let embedding = bench.ceiling.lone_query(&bench.questions.some(searches)).await?;
    for query in bench.questions.some(20) {
        bench.client.search(PROJECT, &query).await?;
    }
    let before = Stages::read(&bench.system).await?;
    let mut times = Vec::with_capacity(searches);
    for query in bench.questions.some(searches) {
        times.push(timed(bench.client.search(PROJECT, &query)).await?.1);
    }
    let stages = Stages::read(&bench.system).await?.since(&before);
    let [p50, p95, p99] = percentiles(times, [0.5, 0.95, 0.99]);
    let figures = &mut bench.figures;
    figures.ratio("search alone: p50", p50, "ms", "embedding it alone", embedding);
    figures.ratio("search alone: p95", p95, "ms", "p50", p50);
    figures.ratio("search alone: p99", p99, "ms", "p50", p50);
    // The keyword leg runs while the query is embedded; the rest is HTTP, the queue and the ends of the transactions.
    let on_the_path = stages.mean("embed") + stages.mean("vector") + stages.mean("rows");
    figures.ratio("  of it outside embedding and SQL", p50 - on_the_path, "ms", "p50", p50);
    bench.typical = p50;
    bench.latencies[0].push((1.0, p50));
    bench.latencies[1].push((1.0, p95));
    Ok(())
}

/// Measures many clients at the same time; no question was asked before.
pub async fn together(bench: &Bench, project: &str, count: usize) -> Result<Outcomes> {
    let clients = Clients { count, time: bench.effort.time, pause: Duration::ZERO };
    let next = |_| Request::search(project, &bench.questions.one());
    clients.send(&bench.client, next).await?.none_broken()
}

pub async fn throughput(bench: &mut Bench) -> Result<()> {
    let (mut measured, mut used) = (Vec::new(), None);
    for clients in [8, 50, 200] {
        bench.ceiling.measure_queries(&bench.questions.some(SAMPLE)).await?;
        let (before, searches) = (Cpu::read(&bench.system)?, Stages::read(&bench.system).await?);
        let results = together(bench, PROJECT, clients).await?;
        let count = Stages::read(&bench.system).await?.since(&searches).count("embed");
        if clients == 50 {
            used = Some((before, Cpu::read(&bench.system)?, count));
        }
        let [p50, p95] = results.percentiles([0.5, 0.95]);
        bench.latencies[0].push((clients as f64, p50));
        bench.latencies[1].push((clients as f64, p95));
        measured.push((clients, results, p95));
    }
    bench.ceiling.measure_queries(&bench.questions.some(SAMPLE)).await?;
    let most = bench.ceiling.queries();
    let figures = &mut bench.figures;
    figures.plain("model: queries", most, "1/s");
    for (clients, results, p95) in measured {
        figures.ratio(format!("search: {clients} clients"), results.rate(), "1/s", "model: queries", most);
        figures.plain("  p95", p95, "ms");
        figures.plain("  refused", results.refused(), "%");
    }
    if let Some((before, after, count)) = used {
        after.report(before, count, "search, 50 clients", figures);
    }
    Ok(())
}

/// Measures the first search after a start, three times; the slowest is compared with a typical search.
pub async fn cold(bench: &mut Bench) -> Result<()> {
    let mut first = 0.0_f64;
    for _ in 0..3 {
        let system = &mut bench.system;
        for service in system.query_workers.iter_mut().chain(&mut system.apis) {
            service.restart().await?;
        }
        let (client, question) = (system.client()?, bench.questions.one());
        first = first.max(timed(client.search(PROJECT, &question)).await?.1);
    }
    bench.figures.ratio("search: first after a start, worst of 3", first, "ms", "typical", bench.typical);
    Ok(())
}

/// Measures repeated searches: the time of one, and how many 8 clients get, against a handler that does as little as a
/// cached answer needs.
pub async fn cached(bench: &mut Bench) -> Result<()> {
    let query = bench.questions.one();
    bench.client.search(PROJECT, &query).await?;
    let request = Request::search(PROJECT, &query);
    let answer = request.answer(&bench.client).await?;
    let hit = answer.headers().get("x-cache").is_some_and(|value| value == "hit");
    ensure!(hit, "the answer is not from the cache");
    let bare = bare::start(&bench.system, answer.bytes().await?)?;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..bench.effort.searches {
        for (client, times) in [&bench.client, &bare].into_iter().zip(&mut times) {
            let started = Instant::now();
            let answer = request.answer(client).await?;
            ensure!(answer.status().is_success(), "search: {}", answer.status());
            answer.bytes().await?;
            times.push(started.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    let [cached, least] = times.map(median);
    let figures = &mut bench.figures;
    figures.ratio("search: cached, p50", cached, "ms", "not cached", bench.typical);
    figures.ratio("  the same", cached, "ms", "one GET of Valkey over HTTP", least);
    // The two are measured in turns, because the speed of the machine changes.
    let mut rates = [Vec::new(), Vec::new()];
    let clients = Clients { count: 8, time: bench.effort.time / 4, pause: Duration::ZERO };
    for _ in 0..4 {
        for (client, rates) in [&bench.client, &bare].into_iter().zip(&mut rates) {
            let results = clients.send(client, |_| request.clone()).await?;
            rates.push(results.none_broken()?.rate());
        }
    }
    let [cached, most] = rates.map(median);
    figures.plain("one GET of Valkey over HTTP: 8 clients", most, "1/s");
    figures.ratio("search: cached, 8 clients", cached, "1/s", "one GET of Valkey over HTTP", most);
    Ok(())
}
