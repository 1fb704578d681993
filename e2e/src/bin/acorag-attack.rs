//! A hostile event producer works at the same time as normal traffic: it must not read or destroy anything of another
//! project, and others must not wait noticeably longer.
#![allow(clippy::print_stdout, reason = "what it found is what this program is for")]

use std::{
    cell::RefCell,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use async_nats::jetstream;
use clap::Parser;
use e2e::{
    Client, Options, Random, System, Upload, accounts::password, attack::Attacker, percentiles, prose, timed,
};
use schemas::subjects;
use serde_json::json;

/// Starts an acorag with accounts, and measures searches and uploads of one project, first without and then with a
/// producer of another project that attacks in a loop. Then it checks that every file is unchanged. The last line is
/// one JSON object; the exit status is 0 if everything is correct.
#[derive(Debug, Parser)]
#[command(name = "acorag-attack", version)]
struct Args {
    /// Duration of the attack, in seconds
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Duration of the measurement before the attack, in seconds
    #[arg(long, default_value_t = 120)]
    quiet: u64,
}

const THEIRS: &str = "ajeno";
const OURS: &str = "propio";
/// Number of documents that are indexed before the measurement.
const DOCUMENTS: usize = 50;
/// The interval between two searches, and between two uploads.
const EVERY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// Maximum allowed ratio of the 95th percentiles with and without the attack.
const MOST: f64 = 1.5;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let system = System::start(Options { accounts: true, ..Options::default().durable() }).await?;
    let client = system.client()?;
    let traffic =
        Traffic { client: &client, stored: RefCell::default(), random: RefCell::new(Random::new(7)) };
    for _ in 0..DOCUMENTS {
        traffic.upload().await?;
    }
    let attacker = Attacker::connect(system.stack.nats_url(), OURS.parse()?).await?;
    let api = async_nats::ConnectOptions::with_user_and_password("api".into(), password("api"));
    let api = api.custom_inbox_prefix("_INBOX_api").connect(system.stack.nats_url()).await?;
    let files = jetstream::new(api).get_object_store(subjects::FILES_BUCKET).await?;
    let known = files.put("conocido", &mut "Un archivo de otro proyecto.".as_bytes()).await?;

    eprintln!("normal traffic for {} s", args.quiet);
    let (quiet_search, quiet_upload) = traffic.during(Duration::from_secs(args.quiet)).await?;
    eprintln!("the same beside attacks, for {} s", args.seconds);
    let time = Duration::from_secs(args.seconds);
    let ((searching, uploading), attacks) =
        tokio::try_join!(traffic.during(time), attack(&attacker, &client, &known.nuid, time))?;

    let stored = traffic.stored.take();
    let lost = lost(&client, &stored).await?;
    let read = client.search(OURS, "archivo de otro proyecto").await?;
    let foreign = read.iter().filter(|row| row["project_id"] != json!(OURS)).count();
    let (search, upload) = (searching / quiet_search, uploading / quiet_upload);
    println!("search p95: {quiet_search:.1} ms quiet, {searching:.1} ms under attack");
    println!(
        "upload until it is searchable, p95: {quiet_upload:.1} ms quiet, {uploading:.1} ms under attack"
    );
    let line = json!({"rounds": attacks, "documents": stored.len(), "lost": lost, "foreign": foreign,
                      "search_ratio": search, "upload_ratio": upload});
    println!("{line}");
    let well = lost == 0 && foreign == 0 && search <= MOST && upload <= MOST;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Attacks until the time is over; returns the number of rounds. An attack that succeeds ends the run with an error.
async fn attack(attacker: &Attacker, client: &Client, known_version: &str, time: Duration) -> Result<usize> {
    let (started, mut round) = (Instant::now(), 0);
    while started.elapsed() <= time {
        let accepted = attacker.forge_objects(known_version).await?;
        ensure!(accepted.is_empty(), "the store took {accepted:?}");
        for job in attacker.bad_jobs(&["conocido", "x"], &THEIRS.parse()?, round).await? {
            attacker.send(&job).await?;
            let document = client.settled(job.document.as_str(), OURS).await?;
            ensure!(document["reason_code"] == job.fails_by, "{document}");
            let file = client.get(&format!("/document/{}/file?project_id={OURS}", job.document)).await?;
            ensure!(!file.status().is_success(), "{} served a file", job.document);
        }
        attacker.send_commands(round).await?;
        attacker.take_message_ids(round).await?;
        round += 1;
    }
    Ok(round)
}

/// The normal traffic of the other project during the measurements.
struct Traffic<'a> {
    client: &'a Client,
    /// The id and content of every document that was indexed.
    stored: RefCell<Vec<(String, Vec<u8>)>>,
    random: RefCell<Random>,
}

impl Traffic<'_> {
    fn sentence(&self) -> String {
        prose::sentence(&mut self.random.borrow_mut())
    }

    async fn upload(&self) -> Result<()> {
        let content = format!("{} {}", self.sentence(), uuid::Uuid::new_v4()).into_bytes();
        let upload = Upload::new("nota.txt", content.clone(), json!({"project_id": THEIRS}));
        let id = self.client.index(upload).await?;
        self.stored.borrow_mut().push((id, content));
        Ok(())
    }

    /// Returns the 95th percentiles of the durations of searches and of uploads, in milliseconds.
    async fn during(&self, time: Duration) -> Result<(f64, f64)> {
        let end = Instant::now() + time;
        let searches =
            repeated(end, EVERY.0, async || self.client.search(THEIRS, &self.sentence()).await.map(drop));
        let uploads = repeated(end, EVERY.1, async || self.upload().await);
        tokio::try_join!(searches, uploads)
    }
}

/// Repeats `work` at this interval until `end`, and returns the 95th percentile of its duration in milliseconds.
async fn repeated(end: Instant, every: Duration, mut work: impl AsyncFnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::new();
    let mut ticks = tokio::time::interval(every);
    while Instant::now() < end {
        ticks.tick().await;
        times.push(timed(work()).await?.1);
    }
    ensure!(!times.is_empty(), "nothing was measured");
    let [p95] = percentiles(times, [0.95]);
    Ok(p95)
}

/// Returns the number of documents whose file is missing or changed.
async fn lost(client: &Client, stored: &[(String, Vec<u8>)]) -> Result<usize> {
    let mut lost = 0;
    for (id, content) in stored {
        let answer = client.get(&format!("/document/{id}/file?project_id={THEIRS}")).await?;
        let is_there = answer.status().is_success() && answer.bytes().await? == content;
        lost += usize::from(!is_there);
    }
    Ok(lost)
}
