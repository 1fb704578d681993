//! Measures all performance figures in one run on one machine, as ratios: the speed of a machine varies, but the ratios
//! remain. `bench/README.md` explains how to read them.
#![allow(clippy::print_stdout, reason = "the figures are what this program is for")]

mod ceiling;
mod cpu;
mod fairness;
mod figures;
mod fill;
mod ingest;
mod large;
mod machine;
mod memory;
mod plot;
mod scale;
mod search;
mod stages;

use std::{
    path::PathBuf,
    time::{Instant, SystemTime},
};

use anyhow::{Context as _, Result};
use ceiling::{Ceiling, Questions};
use clap::Parser;
use e2e::{Options, Random, System};
use figures::Figures;
use serde_json::json;
use sqlx::PgPool;

/// Measures acorag on its own servers; prints a table and writes JSON.
#[derive(Debug, Parser)]
#[command(name = "acorag-bench", version)]
struct Args {
    /// Leave out the measurements with 40,000 passages
    #[arg(long)]
    quick: bool,
    /// Only measure how long one project waits while another one imports this number of records
    #[arg(long, value_name = "RECORDS")]
    beside_import: Option<usize>,
    /// Only measure how the search time grows with the number of passages, up to this number; prints the table and the
    /// plot for docs/scale.md
    #[arg(long, value_name = "PASSAGES", num_args = 0..=1, default_missing_value = "1000000")]
    large: Option<usize>,
    /// The file for the JSON
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/latest.json"))]
    json: PathBuf,
}

/// The number of texts that are indexed.
const TEXTS: usize = 500;

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let started = Instant::now();
    let mut random = Random::new(1);
    let mut questions = Questions::new(Random::new(2));
    let mut figures = Figures::default();

    machine::busy(&mut figures).await?;
    let mut system = System::start(Options::default().durable()).await?;
    if let Some(records) = args.beside_import {
        let client = system.client()?;
        fairness::beside_an_import(&client, records, &mut random, &mut questions, &mut figures).await?;
        println!("{}", figures.table());
        return Ok(());
    }
    memory::idle(&system, &mut figures)?;
    let mut ceiling = Ceiling::new(system.stack.paths()).await?;
    let client = system.client()?;
    let pool = PgPool::connect(system.stack.database_url()).await?;

    let texts = ceiling.texts(&mut random, TEXTS);
    ingest::throughput(&system, &mut ceiling, &texts, &mut figures).await?;
    if let Some(most) = args.large {
        let lines = scale::grow(&system, &ceiling, &mut random, most).await?;
        std::fs::write(
            concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scale.svg"),
            plot::svg(&scale::curves(&lines)),
        )?;
        println!("{}", scale::table(&lines));
        return Ok(());
    }
    ingest::manual(&client, &pool, &ceiling, &mut figures).await?;
    let typical = search::alone(&system, &ceiling, &mut questions, &mut figures).await?;
    search::throughput(&system, &mut ceiling, &mut questions, &mut figures).await?;
    search::cached(&client, typical, &mut questions, &mut figures).await?;
    search::cold(&mut system, typical, &mut questions, &mut figures).await?;
    if !args.quick {
        large::legs(&system, &mut ceiling, &mut questions, &mut random, &mut figures).await?;
    }
    ingest::intake(&mut system, &mut figures).await?;
    memory::most(&system, &mut figures)?;
    figures.plain("spread of the same measurement in this run", ceiling.spread() * 100.0, "%");

    let when = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let cores = std::thread::available_parallelism()?.get();
    let report = json!({
        "unix_time": when, "cores": cores, "quick": args.quick, "seconds": started.elapsed().as_secs(),
        "figures": figures.json(),
    });
    if let Some(folder) = args.json.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&args.json, format!("{report:#}\n"))
        .with_context(|| format!("writing {}", args.json.display()))?;
    println!("{}", figures.table());
    eprintln!("{} s in all; the same as JSON in {}", started.elapsed().as_secs(), args.json.display());
    Ok(())
}
