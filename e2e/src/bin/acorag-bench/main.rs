//! Measures all performance figures in one run on one machine, as ratios: the speed of a machine varies, but the ratios
//! remain. `bench/README.md` explains how to read them.
#![allow(clippy::print_stdout, reason = "the figures are what this program is for")]

mod bare;
mod bench;
mod ceiling;
mod chat;
mod cpu;
mod fairness;
mod figures;
mod fill;
mod hour;
mod ingest;
mod large;
mod load;
mod machine;
mod memory;
mod mixed;
mod overload;
mod peers;
mod plot;
mod recall;
mod samples;
mod scale;
mod scale_table;
mod search;
mod stages;
mod vector_indexes;

use std::{
    path::PathBuf,
    time::{Instant, SystemTime},
};

use anyhow::{Result, ensure};
use bench::{Bench, Effort};
use clap::{Parser, ValueEnum};
use e2e::Options;
use figures::Folder;
use plot::{Curve, Plot};
use serde_json::json;

/// Measures acorag on its own servers; prints a table, and writes it as JSON with plots beside it.
#[derive(Debug, Parser)]
#[command(name = "acorag-bench", version)]
struct Args {
    /// Show in a few minutes that everything works: little of everything, and no 40,000 passages
    #[arg(long)]
    quick: bool,
    /// Measure only these parts
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Only measure an import of this number of records, against the model alone
    #[arg(long, value_name = "RECORDS")]
    import: Option<usize>,
    /// Only measure how long one project waits while another one imports this number of records
    #[arg(long, value_name = "RECORDS")]
    beside_import: Option<usize>,
    /// Only measure two other programs beside this one, with the same model, on 240 and on 40,000 passages
    #[arg(long)]
    peers: bool,
    /// Only measure how the search time grows with the number of passages, up to this number; writes scale.md and scale.svg
    #[arg(long, value_name = "PASSAGES", num_args = 0..=1, default_missing_value = "1000000")]
    large: Option<usize>,
    /// With --large: how many projects at most
    #[arg(long, default_value_t = 1_000)]
    projects: usize,
    /// The folder for latest.json, scale.md and the plots. Default: bench, or target/bench with --quick
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// What can be measured, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Searches of one client and of many
    Search,
    /// Repeated searches
    Cached,
    /// Chats of one client and of many
    Chat,
    // Not earlier: for a minute after an import, PostgreSQL's maintenance would count with the searches.
    /// Imports and files
    Ingest,
    /// Searches, chats and histories of many users
    Mixed,
    /// More searches than the machine can do
    Overload,
    /// The first search after a start
    Cold,
    /// Memory right after a start, and after an hour's requests
    Hour,
    /// 40,000 passages
    Large,
    /// Accepted uploads
    Intake,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let effort = if args.quick { Effort::QUICK } else { Effort::FULL };
    let own = if args.quick { "/../target/bench" } else { "/../bench" };
    let folder = args.into.unwrap_or_else(|| PathBuf::from(format!("{}{own}", env!("CARGO_MANIFEST_DIR"))));
    let mut options = Options::default().durable();
    if args.large.is_some() {
        // As on a machine that is made for so many passages.
        options.postgres = vec![format!("shared_buffers={}MB", machine::megabytes()? / 4)];
    }
    let mut bench = Bench::start(options, effort, Folder(folder)).await?;
    if let Some(records) = args.import {
        ingest::long_import(&mut bench, records).await?;
        println!("{}", bench.figures.table());
    } else if let Some(records) = args.beside_import {
        fairness::beside_an_import(&mut bench, records).await?;
        println!("{}", bench.figures.table());
    } else if args.peers {
        Box::pin(peers::measure(&mut bench, args.quick)).await?;
        println!("{}", bench.figures.table());
    } else if let Some(passages) = args.large {
        scale::grow(&mut bench, passages, args.projects).await?;
        println!("{}", std::fs::read_to_string(bench.folder.0.join("scale.md"))?);
    } else {
        let all = args.only.is_empty();
        let left_out = |part: &Part| args.quick && *part == Part::Large;
        let chosen = |part: &Part| if all { !left_out(part) } else { args.only.contains(part) };
        let parts: Vec<Part> = Part::value_variants().iter().copied().filter(chosen).collect();
        measure(&mut bench, &parts, args.quick).await?;
        println!("{}", bench.figures.table());
    }
    ensure!(bench.figures.failures() == 0, "{} measurements failed", bench.figures.failures());
    Ok(())
}

/// Measures the parts one after the other. A part that fails loses no other one.
async fn measure(bench: &mut Bench, parts: &[Part], quick: bool) -> Result<()> {
    let started = Instant::now();
    bench.samples.upload(&bench.client).await?;
    let texts = bench.ceiling.texts(&mut bench.random, bench.effort.texts / 4);
    ingest::import(&bench.client, &texts).await?;
    for (at, part) in parts.iter().enumerate() {
        let name = format!("{part:?}").to_lowercase();
        eprintln!("part {} of {} after {} s: {name}", at + 1, parts.len(), started.elapsed().as_secs());
        if let Err(error) = Box::pin(run(bench, *part)).await {
            bench.figures.failed(&name, &error);
        }
        write(bench, quick, started)?;
    }
    let spread = bench.ceiling.spread() * 100.0;
    if spread.is_finite() {
        bench.figures.plain("spread of the same measurement in this run", spread, "%");
    }
    write(bench, quick, started)?;
    let (seconds, folder) = (started.elapsed().as_secs(), bench.folder.0.display());
    eprintln!("{seconds} s in all; the same as JSON, and plots, in {folder}");
    Ok(())
}

async fn run(bench: &mut Bench, part: Part) -> Result<()> {
    match part {
        Part::Ingest => ingest::measure(bench).await,
        Part::Search => {
            search::alone(bench).await?;
            search::throughput(bench).await
        }
        Part::Cached => search::cached(bench).await,
        Part::Chat => chat::measure(bench).await,
        Part::Mixed => mixed::measure(bench).await,
        Part::Overload => overload::measure(bench).await,
        Part::Cold => search::cold(bench).await,
        Part::Hour => hour::measure(bench).await,
        Part::Large => large::legs(bench).await,
        Part::Intake => ingest::intake(&mut bench.system, &mut bench.figures).await,
    }
}

fn write(bench: &Bench, quick: bool, started: Instant) -> Result<()> {
    let when = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let cores = std::thread::available_parallelism()?.get();
    let report = json!({
        "unix_time": when, "cores": cores, "quick": quick, "seconds": started.elapsed().as_secs(),
        "figures": bench.figures.json(),
    });
    bench.folder.write("latest.json", &format!("{report:#}\n"))?;
    let names = ["search, p50", "search, p95", "chat, p50", "chat, p95"];
    let curves = names.into_iter().zip(bench.latencies.clone());
    let curves = curves.map(|(name, points)| Curve { name, points }).collect();
    let axes = ["clients without pauses", "ms"];
    let title = "Time of an answer by the number of clients";
    bench.folder.draw("latency.svg", &Plot { title, axes, logarithmic: true, curves })
}
