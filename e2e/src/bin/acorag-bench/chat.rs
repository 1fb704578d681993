//! Measures chats about the sample documents: of one client, of many, and how soon a streamed answer begins.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use anyhow::{Result, ensure};
use e2e::{Client, median, percentiles, timed};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    cpu::Cpu,
    load::{Clients, Request},
    samples::{PROJECT, distinct},
    search,
    stages::Stages,
};

pub async fn measure(bench: &mut Bench) -> Result<()> {
    let embedding = bench.ceiling.lone_query(&bench.questions.some(bench.effort.chats)).await?;
    let (answered, unanswered) = (bench.samples.answered.clone(), bench.samples.unanswered.clone());
    // Each question is asked once only. The first ones warm up.
    let mut asked = 0;
    let mut next = |question: &str| {
        asked += 1;
        distinct(question, asked)
    };
    for question in &answered {
        ask(&bench.client, &next(question)).await?;
    }
    for (name, questions, cites) in [("found", &answered, true), ("not found", &unanswered, false)] {
        let (mut times, mut right) = (Vec::new(), 0);
        for question in questions.iter().cycle().take(bench.effort.chats) {
            let (reply, took) = timed(ask(&bench.client, &next(question))).await?;
            times.push(took);
            let has_sources = reply["sources"].as_array().is_some_and(|sources| !sources.is_empty());
            right += usize::from(has_sources == cites);
        }
        let share = right as f64 * 100.0 / times.len().max(1) as f64;
        let [p50, p95] = percentiles(times, [0.5, 0.95]);
        let chat = format!("chat alone, {name}");
        bench.figures.ratio(format!("{chat}: p50"), p50, "ms", "embedding a query alone", embedding);
        bench.figures.ratio(format!("{chat}: p95"), p95, "ms", "p50", p50);
        bench.figures.plain("  answers that cite as they should", share, "%");
        if cites {
            bench.latencies[2].push((1.0, p50));
            bench.latencies[3].push((1.0, p95));
        }
    }
    let questions: Vec<String> =
        answered.iter().cycle().take(bench.effort.chats).map(|question| next(question)).collect();
    streamed(bench, &questions).await?;
    together(bench, asked).await
}

/// Asks in a conversation of its own, so that the question is no follow-up.
async fn ask(client: &Client, question: &str) -> Result<Value> {
    client.chat(&json!({"question": question, "project_id": PROJECT})).await
}

/// Measures when the first byte of a streamed answer arrives.
async fn streamed(bench: &mut Bench, questions: &[String]) -> Result<()> {
    let (mut first, mut whole) = (Vec::new(), Vec::new());
    for question in questions {
        let body = json!({"question": question, "project_id": PROJECT, "stream": true});
        let started = Instant::now();
        let mut answer = bench.client.post("/chat", &body).await?;
        ensure!(answer.status().is_success(), "streamed chat: {}", answer.status());
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            if text.is_empty() {
                first.push(started.elapsed().as_secs_f64() * 1_000.0);
            }
            text.extend_from_slice(&piece);
        }
        whole.push(started.elapsed().as_secs_f64() * 1_000.0);
        ensure!(String::from_utf8_lossy(&text).contains("event: done"), "a stream without an end");
    }
    let (first, whole) = (median(first), median(whole));
    bench.figures.ratio("chat, streamed: first byte, p50", first, "ms", "the whole answer", whole);
    Ok(())
}

/// Measures chats of many clients, after `asked` other questions. What a chat costs is compared with searches in the same project by as many clients.
async fn together(bench: &mut Bench, asked: usize) -> Result<()> {
    const SAMPLE: usize = 400;
    let (search_cost, asked) = (search_cost(bench).await?, AtomicUsize::new(asked + 1));
    bench.ceiling.measure_queries(&bench.questions.some(SAMPLE)).await?;
    for count in [8, 50] {
        let clients = Clients { count, time: bench.effort.time, pause: std::time::Duration::ZERO };
        let before = Cpu::read(&bench.system)?;
        let chats = clients
            .send(&bench.client, |_| {
                let number = asked.fetch_add(1, Ordering::Relaxed);
                let questions = &bench.samples.answered;
                let question = questions.get(number % questions.len().max(1)).map_or("", String::as_str);
                Request::chat(PROJECT, &distinct(question, number), &format!("together-{count}-{number}"))
            })
            .await?
            .none_broken()?;
        let cost = Cpu::read(&bench.system)?.each(before, chats.answers);
        bench.ceiling.measure_queries(&bench.questions.some(SAMPLE)).await?;
        let most = bench.ceiling.queries();
        let [p50, p95] = chats.percentiles([0.5, 0.95]);
        let name = format!("chat: {count} clients");
        bench.figures.ratio(name, chats.rate(), "1/s", "the model's queries", most);
        bench.figures.plain("  p95", p95, "ms");
        bench.figures.plain("  refused", chats.refused(), "%");
        bench.figures.ratio("  processor time of a chat", cost, "ms", "of an uncached search", search_cost);
        bench.latencies[2].push((count as f64, p50));
        bench.latencies[3].push((count as f64, p95));
    }
    Ok(())
}

/// Returns the milliseconds of processor time of an uncached search in the samples.
async fn search_cost(bench: &Bench) -> Result<f64> {
    let (before, searches) = (Cpu::read(&bench.system)?, Stages::read(&bench.system).await?);
    search::together(bench, PROJECT, 8).await?;
    let count = Stages::read(&bench.system).await?.since(&searches).count("embed");
    Ok(Cpu::read(&bench.system)?.each(before, count))
}
