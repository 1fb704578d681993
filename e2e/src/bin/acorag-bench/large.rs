//! Measures both legs of the search with 40,000 passages.
//!
//! The measured values are from the worker's own metrics of its searches.

use std::time::Instant;

use anyhow::Result;
use e2e::{Client, Random, System, prose};
use serde_json::json;

use crate::{
    ceiling::{Ceiling, Questions},
    figures::Figures,
    fill::{self, Fill},
    search,
    stages::Stages,
};

const PASSAGES: usize = 40_000;
const SEARCHES: usize = 150;

pub async fn legs(
    system: &System,
    ceiling: &mut Ceiling,
    questions: &mut Questions,
    random: &mut Random,
    figures: &mut Figures,
) -> Result<()> {
    let started = Instant::now();
    let mut fill = Fill::begin(system.stack.database_url()).await?;
    for (project, passages) in [("grande", PASSAGES * 95 / 100), ("chico", PASSAGES * 5 / 100)] {
        fill.project(project, passages).await?;
    }
    fill.end().await?;
    eprintln!("40,000 passages made in {:.0} s", started.elapsed().as_secs_f64());
    let client = system.client()?;
    for (project, names) in [
        (Some("chico"), ["5 % of 40,000: keyword leg", "5 % of 40,000: vector leg", "5 % of 40,000: rows"]),
        (
            Some("grande"),
            ["95 % of 40,000: keyword leg", "95 % of 40,000: vector leg", "95 % of 40,000: rows"],
        ),
        (None, ["all of 40,000: keyword leg", "all of 40,000: vector leg", "all of 40,000: rows"]),
    ] {
        // The first searches are not counted, because the caches are cold after the fill.
        some(&client, project, random, 10).await?;
        let before = Stages::read(system).await?;
        some(&client, project, random, SEARCHES).await?;
        let stages = Stages::read(system).await?.since(&before);
        for (stage, name) in ["keyword", "vector", "rows"].into_iter().zip(names) {
            figures.ratio(name, stages.mean(stage), "ms", "embedding the query", stages.mean("embed"));
        }
    }
    ceiling.measure_queries(&questions.some(800)).await?;
    let (rate, _) = search::together(&client, "grande", 8, questions).await?;
    figures.ratio("search: 8 clients, 38,000 passages", rate, "1/s", "the model alone", ceiling.queries());
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
