//! Sends thousands of hostile files to a complete acorag. Each file must be indexed, or refused with a reason
//! that concerns the file, and no process may die.
#![allow(clippy::print_stdout, reason = "what it found is what this program is for")]

mod memory;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::Parser;
use e2e::{
    Options, System, Upload,
    hostile::{self, File, Outcome},
};
use futures::{StreamExt as _, stream};
use memory::Watch;
use serde_json::json;

/// Starts an acorag without rate limits, uploads hostile files to it and waits until each is indexed or
/// refused. The last line is one JSON object; the exit status is 0 if the system withstood all files.
#[derive(Debug, Parser)]
#[command(name = "acorag-hostile", version)]
struct Args {
    /// Minimum number of files to send
    #[arg(long, default_value_t = 2_500)]
    files: usize,
    /// Seed of the mutations; the same seed gives the same files
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sends only the files whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Maximum number of files in processing at the same time
    #[arg(long, default_value_t = 6)]
    at_once: usize,
    /// Writes the files into this folder and sends nothing
    #[arg(long)]
    write: Option<PathBuf>,
    /// Writes the files that the system did not withstand into this folder
    #[arg(long)]
    keep: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let files = hostile::files(args.seed, args.files)?.filter(|file| file.name.contains(&args.only));
    if let Some(folder) = &args.write {
        for (number, file) in files.enumerate() {
            keep(folder, number, &file)?;
        }
        return Ok(ExitCode::SUCCESS);
    }

    let mut system = System::start(Options::default()).await?;
    let client = system.client()?;
    let worker = system.ingest_workers.first().and_then(e2e::Service::id).context("no ingest worker")?;
    let watch = Watch::start(worker);
    let started = Instant::now();
    let (mut outcomes, mut slowest) = (BTreeMap::<String, usize>::new(), (Duration::ZERO, String::new()));
    let (mut sent, mut bad) = (0, 0);
    let mut results = stream::iter(files)
        .map(|file| async {
            let begun = Instant::now();
            let outcome = hostile::send(&client, "hostil", &file).await;
            (file, outcome, begun.elapsed())
        })
        .buffer_unordered(args.at_once.max(1));
    while let Some((file, outcome, took)) = results.next().await {
        let outcome = outcome.with_context(|| format!("sending {:?}", file.name))?;
        sent += 1;
        if !outcome.is_fine() {
            bad += 1;
            eprintln!("{outcome:?}: {:?}", file.name);
            if let Some(folder) = &args.keep {
                keep(folder, sent, &file)?;
            }
        }
        if took > slowest.0 {
            slowest = (took, format!("{:?}", file.name));
        }
        *outcomes.entry(named(&outcome)).or_default() += 1;
        if sent % 100 == 0 {
            eprintln!("{:>4} s: {sent} settled", started.elapsed().as_secs());
        }
    }
    drop(results);

    let seconds = started.elapsed().as_secs();
    // After the hostile files, a good document must still be indexed and found.
    client.index(Upload::new("bien.txt", "La losa tiene 18 cm.", json!({"project_id": "sano"}))).await?;
    let found = !client.search("sano", "espesor de la losa").await?.is_empty();
    let (worker_mb, child_mb) = watch.end();
    let services = system.ingest_workers.iter_mut().chain(&mut system.query_workers).chain(&mut system.apis);
    let dead: usize = services.map(|service| usize::from(!service.is_running())).sum();
    for (outcome, count) in &outcomes {
        println!("{outcome:<32} {count:>5}");
    }
    println!("slowest: {:.1} s, {}", slowest.0.as_secs_f64(), slowest.1);
    let stuck = outcomes.get(&named(&Outcome::Stuck)).copied().unwrap_or_default();
    let held = bad == 0 && dead == 0 && found;
    let line = json!({
        "seed": args.seed, "files": sent, "outcomes": outcomes, "bad": bad, "stuck": stuck, "dead": dead,
        "found_afterwards": found, "most_worker_mb": worker_mb, "most_child_mb": child_mb, "seconds": seconds,
    });
    println!("{line}");
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn named(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(status) => format!("refused: {}", status.as_u16()),
        Outcome::Indexed => "indexed".to_owned(),
        Outcome::Failed(code) => format!("failed: {code}"),
        Outcome::Stuck => "stuck".to_owned(),
    }
}

/// Writes the file under a name that is valid in every file system.
fn keep(folder: &std::path::Path, number: usize, file: &File) -> Result<()> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
    let name: String = file.name.chars().take(100).map(plain).collect();
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(folder.join(format!("{number:05}-{name}")), &file.bytes)?)
}
