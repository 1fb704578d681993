//! Measures the model on this machine: `cargo run --release -p embedding --example throughput -- --help`.
#![allow(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::time::{Duration, Instant};

use clap::Parser;
use embedding::{Config, Embed, Lane, Model};
use futures::TryFutureExt;
use futures::future::try_join_all;

const TEXT: &str = "El contratista verificará las cotas de la cimentación antes del vaciado del concreto y entregará \
                    al supervisor los protocolos de topografía, los certificados de calidad del acero y el plano \
                    conforme a obra de cada sector, con la firma del responsable y la fecha de la inspección. ";

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    model: Config,
    /// Seconds for each measurement
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Tokens of a passage, all included
    #[arg(long, default_value_t = 208)]
    passage_tokens: usize,
    /// Tokens of a query, all included
    #[arg(long, default_value_t = 22)]
    query_tokens: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let started = Instant::now();
    let model = Model::load(&args.model).await?;
    let stats = model.stats();
    println!("{} loaded in {:.1?}, {} threads", model.identity().name, started.elapsed(), stats.threads);
    println!("first query and passage: {:.1?}", model.warm_up().await?);

    let time = Duration::from_secs_f64(args.seconds);
    let (passage, query) = (text(&model, args.passage_tokens), text(&model, args.query_tokens));

    let before = model.stats().passages;
    let rate = rate(time, 8, || model.passages(vec![passage.clone(); 8]).map_ok(drop)).await?;
    println!("passages of {} tokens: {rate:.1}/s", tokens_each(before, model.stats().passages));

    let before = model.stats().queries;
    let rate = self::rate(time, 8, || try_join_all((0..8).map(|_| model.query(&query))).map_ok(drop)).await?;
    println!("queries of {} tokens: {rate:.1}/s", tokens_each(before, model.stats().queries));

    println!("a lone query: {}", latencies(&model, &query, time).await?);
    let load = async {
        let end = Instant::now() + time;
        while Instant::now() < end {
            model.passages(vec![passage.clone(); 8]).await?;
        }
        Ok::<_, embedding::Error>(())
    };
    let (loaded, amid) = futures::join!(load, latencies(&model, &query, time));
    loaded?;
    println!("a query amid passages: {}", amid?);

    let started = Instant::now();
    let counted: usize = (0..2000).map(|_| model.count_tokens(&query)).sum();
    println!("counting the tokens of a sentence: {:.1?} ({counted} in all)", started.elapsed() / 2000);
    println!("memory: {}", memory()?);
    Ok(())
}

/// Texts a second, when `batch` embeds `size` of them.
async fn rate<F>(time: Duration, size: usize, mut batch: impl FnMut() -> F) -> anyhow::Result<f64>
where
    F: Future<Output = Result<(), embedding::Error>>,
{
    let started = Instant::now();
    let mut texts = 0;
    while started.elapsed() < time {
        batch().await?;
        texts += size;
    }
    Ok(texts as f64 / started.elapsed().as_secs_f64())
}

async fn latencies(model: &Model, query: &str, time: Duration) -> anyhow::Result<String> {
    let started = Instant::now();
    let mut times = Vec::new();
    while started.elapsed() < time {
        let asked = Instant::now();
        model.query(query).await?;
        times.push(asked.elapsed());
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Ok(format!("p50 {:.1?}, p95 {:.1?}, most {:.1?}", at(0.5), at(0.95), at(1.0)))
}

/// A text of so many tokens, give or take the prefix's.
fn text(model: &Model, tokens: usize) -> String {
    let mut text = String::new();
    for word in TEXT.split_inclusive(' ').cycle() {
        if model.count_tokens(&text) + 5 >= tokens {
            break;
        }
        text.push_str(word);
    }
    text
}

fn tokens_each(before: Lane, after: Lane) -> u64 {
    (after.tokens - before.tokens) / (after.embedded - before.embedded).max(1)
}

/// What the process holds now and held at most, as the kernel says.
fn memory() -> anyhow::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    Ok(lines.collect::<Vec<_>>().join(", ").replace('\t', " "))
}
