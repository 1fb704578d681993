//! Tests that nothing is lost: everything is killed and restarted while documents are uploaded, and at the end each
//! accepted document must have its expected state exactly once.
#![allow(clippy::print_stdout, reason = "what it found is what this program is for")]

mod check;
mod injector;
mod plan;
mod report;
mod send;
mod settle;

use std::{
    collections::HashMap,
    process::ExitCode,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use async_nats::jetstream;
use check::{Check, Stored};
use clap::Parser;
use e2e::{Client, Options, System, Upload};
use injector::Injector;
use plan::{Content, Plan, Submission};
use send::{Outcome, Sender};
use serde_json::json;
use sqlx::PgPool;

/// Uploads documents while workers, api, NATS, PostgreSQL and Redis are killed and restarted. Then it checks that no
/// accepted document is lost, duplicated or stuck. The last line is one JSON object; the exit status is 0 if everything
/// is correct.
#[derive(Debug, Parser)]
#[command(name = "acorag-chaos", version)]
struct Args {
    /// Approximate number of documents to send, including records of imports and revisions
    #[arg(long, default_value_t = 200)]
    documents: usize,
    /// How long faults are caused, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Repeat the documents and faults of a run with this seed; by default random
    #[arg(long)]
    seed: Option<u64>,
}

/// After the last fault, all refused requests must be accepted within this time.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(180);
/// The time-out of a request; then it is sent again.
const REQUEST: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u128() as u64 % 1_000_000);
    let time = Duration::from_secs(args.seconds);
    let plan = Arc::new(Plan::new(seed, args.documents, time)?);
    let (submissions, faults) = (plan.submissions.len(), plan.faults.len());
    eprintln!("seed {seed}: {submissions} submissions, {faults} faults in {} s", args.seconds);

    let options = Options { ingest_workers: plan::INGEST_WORKERS, ..Options::default().durable() };
    let system = System::start(options).await?;
    let baseline = baseline(&system.client()?, &plan.submissions).await?;
    let (url, nats) = (system.apis[0].url.clone(), system.stack.nats_url().to_owned());
    let client = Client { http: devstack::http_client().timeout(REQUEST).build()?, url };
    let sender = Arc::new(Sender::new(client.clone(), &nats, time + ACCEPTED_WITHIN).await?);
    let mut injector = Injector::new(system);
    let watching = tokio::spawn(watch(sender.clone()));

    let sending = tokio::spawn(send_all(sender.clone(), plan.clone()));
    injector.run(&plan.faults).await?;
    eprintln!("everything goes up again");
    injector.recover().await?;
    let outcomes = sending.await??;
    watching.abort();

    let jetstream = jetstream::new(async_nats::connect(&nats).await?);
    let pool = PgPool::connect(injector.system.stack.database_url()).await?;
    settle::wait(&jetstream, &pool).await?;
    let check = Check { client, stored: Stored::read(&jetstream, &pool).await?, baseline };
    let sent: Vec<(&Submission, Outcome)> = plan.submissions.iter().zip(outcomes).collect();
    eprintln!("checking {} submissions", sent.len());
    let report = check.run(&sent).await.context("checking")?;
    report.show(seed, &injector.done, sender.retries.load(Relaxed))?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Indexes the long files before the faults, in another project, to learn how many passages each must have.
async fn baseline(client: &Client, submissions: &[Submission]) -> Result<HashMap<String, i64>> {
    let mut passages = HashMap::new();
    for submission in submissions {
        let Content::Upload(Upload { filename, bytes, .. }) = &submission.content else { continue };
        for document in submission.documents.iter().filter(|document| document.long) {
            let upload = Upload::new(filename, bytes.clone(), json!({"project_id": "calma"}));
            let id = client.index(upload).await?;
            let chunks = client.document(&id, "calma").await?["chunks"].as_i64().unwrap_or_default();
            passages.insert(document.sha256.clone().unwrap_or_default(), chunks);
        }
    }
    Ok(passages)
}

/// A permanent refusal ends the run, because then the test itself is wrong.
async fn send_all(sender: Arc<Sender>, plan: Arc<Plan>) -> Result<Vec<Outcome>> {
    futures::future::try_join_all(plan.submissions.iter().map(|submission| sender.submit(submission))).await
}

async fn watch(sender: Arc<Sender>) {
    let started = Instant::now();
    let mut every = tokio::time::interval(Duration::from_secs(5));
    loop {
        every.tick().await;
        let (accepted, retries) = (sender.accepted.load(Relaxed), sender.retries.load(Relaxed));
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("{seconds:5.1} s  {accepted} submissions accepted, {retries} sent again");
    }
}
