//! Measures both legs of the search with 40,000 passages.
//!
//! The measured values are from the worker's own metrics of its searches.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use e2e::{Client, Random, prose};
use embedding::Embed as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use pgvector::HalfVector;
use serde_json::json;

use crate::{
    bench::Bench,
    fill::{self, Fill, Source},
    search,
    stages::Stages,
};

const PASSAGES: usize = 40_000;
const SEARCHES: usize = 150;

pub async fn legs(bench: &mut Bench) -> Result<()> {
    let started = Instant::now();
    let source = Arc::new(Source::new(&bench.ceiling.model).await?);
    let mut fill = Fill::begin(bench.system.stack.database_url(), &source, PASSAGES).await?;
    for (project, passages) in [("grande", PASSAGES * 95 / 100), ("chico", PASSAGES * 5 / 100)] {
        fill.project(project, passages).await?;
    }
    fill.end().await?;
    eprintln!("40,000 passages made in {:.0} s", started.elapsed().as_secs_f64());
    for (project, name) in [(Some("chico"), "5 %"), (Some("grande"), "95 %"), (None, "all")] {
        // The first searches are not counted, because the caches are cold after the fill.
        some(&bench.client, project, &mut bench.random, 10).await?;
        let before = Stages::read(&bench.system).await?;
        some(&bench.client, project, &mut bench.random, SEARCHES).await?;
        let stages = Stages::read(&bench.system).await?.since(&before);
        for (stage, leg) in [("keyword", "keyword leg"), ("vector", "vector leg"), ("rows", "rows")] {
            let (name, embedding) = (format!("{name} of 40,000: {leg}"), stages.mean("embed"));
            bench.figures.ratio(name, stages.mean(stage), "ms", "embedding the query", embedding);
        }
    }
    nearest(bench).await?;
    bench.ceiling.measure_queries(&bench.questions.some(800)).await?;
    let results = search::together(bench, "grande", 8).await?;
    let most = bench.ceiling.queries();
    bench.figures.ratio("search: 8 clients, 38,000 passages", results.rate(), "1/s", "model: queries", most);
    Ok(())
}

/// Measures what PostgreSQL alone can do: the 30 nearest passages of the large project, by two clients.
async fn nearest(bench: &mut Bench) -> Result<()> {
    const QUERIES: usize = 400;
    let texts = bench.questions.some(50);
    let vectors: Vec<Vec<f32>> = stream::iter(texts.iter().map(|text| bench.ceiling.model.query(text)))
        .buffered(3)
        .try_collect()
        .await?;
    let started = Instant::now();
    let queries = vectors.iter().cycle().take(QUERIES).map(|vector| {
        sqlx::query_scalar::<_, i64>(
            "SELECT chunk_key FROM embedding
             WHERE model = $2 AND project_key = (SELECT key FROM project WHERE id = 'grande')
             ORDER BY (vector::halfvec(384)) <#> $1 LIMIT 30",
        )
        .bind(HalfVector::from_f32_slice(vector))
        .bind(fill::MODEL)
        .fetch_all(&bench.pool)
    });
    stream::iter(queries).buffer_unordered(2).try_for_each(|_| async { Ok(()) }).await?;
    let rate = QUERIES as f64 / started.elapsed().as_secs_f64();
    bench.figures.plain("PostgreSQL alone: 30 nearest of 38,000", rate, "1/s");
    Ok(())
}

/// Makes one search after the other, with words in their natural frequency: mostly common ones.
pub async fn some(client: &Client, project: Option<&str>, random: &mut Random, count: usize) -> Result<()> {
    for _ in 0..count {
        let query = query(random);
        client.search_with(json!({"query": query, "project_id": project, "top_k": 10})).await?;
    }
    Ok(())
}

pub fn query(random: &mut Random) -> String {
    let words: Vec<String> = (0..4).map(|_| fill::word(random)).collect();
    format!("{} {}", words.join(" "), prose::question(random))
}
