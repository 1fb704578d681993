//! Measures the retrieval quality of a running acorag: uploads a BEIR data set over REST, makes each query over REST,
//! and compares the results with the relevant documents of the data set.
#![allow(clippy::print_stdout, reason = "the figures are what this program is for")]

mod beir;
mod ingest;
mod metrics;
mod rest;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use beir::DataSet;
use clap::Parser;
use futures::{StreamExt, TryStreamExt, stream};
use metrics::{NAMES, Scores};
use rest::{Client, Found};
use serde_json::json;
use uuid::Uuid;

/// Measures retrieval quality on a BEIR data set with a running acorag.
///
/// The corpus is uploaded to a new project with a random name, which is kept for inspection; nothing else is changed.
/// The last line of the output is one JSON object.
///
/// A search returns at most 50 documents, so recall@100 counts the relevant ones among these 50.
#[derive(Parser)]
#[command(name = "acorag-eval", version)]
struct Args {
    /// Folder with corpus.jsonl, queries.jsonl and qrels/test.tsv
    data: PathBuf,
    /// URL of acorag, which is called without a proxy
    #[arg(long, env = "ACORAG_URL", default_value = "http://127.0.0.1:8000")]
    url: String,
    /// API key; needed unless acorag runs with AUTH=off
    #[arg(long, env = "ACORAG_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Search mode
    #[arg(long, default_value = "hybrid", value_parser = ["hybrid", "vector", "keyword"])]
    mode: String,
    /// Number of searches at the same time
    #[arg(long, default_value = "4")]
    clients: NonZeroUsize,
    /// Prefix of the new project's name; the rest is random
    #[arg(long, default_value = "eval")]
    project: String,
    /// Give up if no document is indexed for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let data = DataSet::read(&args.data)?;
    let client = Client::new(&args.url, args.api_key.as_deref())?;
    let project = format!("{}-{}", args.project, &Uuid::new_v4().simple().to_string()[..8]);
    let (documents, queries) = (data.corpus.len(), data.queries.len());
    eprintln!("{documents} documents and {queries} queries; project {project}");

    let rate = ingest::run(&client, &project, &data.corpus, Duration::from_secs(args.patience)).await?;
    let answers = search(&client, &args, &project, &data).await?;
    report(&args, &project, &data, &answers, rate);
    Ok(())
}

type Answer = (Scores, Found);

async fn search(client: &Client, args: &Args, project: &str, data: &DataSet) -> Result<Vec<Answer>> {
    let mut last = Instant::now();
    let asked = data.queries.iter().map(|query| async move {
        let found = client
            .search(project, &query.text, &args.mode)
            .await
            .with_context(|| format!("query {} failed", query.id))?;
        anyhow::Ok((metrics::of(&found.documents, &query.relevant), found))
    });
    let mut answers = Vec::with_capacity(data.queries.len());
    let mut running = stream::iter(asked).buffer_unordered(args.clients.get());
    while let Some(answer) = running.try_next().await? {
        answers.push(answer);
        if last.elapsed() > Duration::from_secs(5) || answers.len() == data.queries.len() {
            eprintln!("searched {} of {}", answers.len(), data.queries.len());
            last = Instant::now();
        }
    }
    Ok(answers)
}

fn report(args: &Args, project: &str, data: &DataSet, answers: &[Answer], documents_per_second: f64) {
    let scores: Vec<Scores> = answers.iter().map(|(scores, _)| *scores).collect();
    let times = answers.iter().map(|(_, found)| found.took.as_secs_f64() * 1000.0).collect();
    let [p50, p95] = e2e::percentiles(times, [0.5, 0.95]);
    let degraded = answers.iter().filter(|(_, found)| found.degraded).count();

    let mut summary = json!({});
    for (name, value) in NAMES.into_iter().zip(metrics::mean(&scores)) {
        println!("{name:<20} {value:>9.4}");
        summary[name] = json!(rounded(value, 4));
    }
    println!("{:<20} {p50:>9.1} ms", "search p50");
    println!("{:<20} {p95:>9.1} ms", "search p95");
    println!("{:<20} {documents_per_second:>9.1}", "documents a second");
    if degraded > 0 {
        println!("{:<20} {degraded:>9}   answers lacked one half of the search", "degraded");
    }
    summary["queries"] = json!(answers.len());
    summary["documents"] = json!(data.corpus.len());
    summary["mode"] = json!(args.mode);
    summary["search_p50_ms"] = json!(rounded(p50, 1));
    summary["search_p95_ms"] = json!(rounded(p95, 1));
    summary["documents_per_second"] = json!(rounded(documents_per_second, 1));
    summary["degraded"] = json!(degraded);
    summary["project"] = json!(project);
    println!("{summary}");
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
