//! Measures the ingest of documents, from the file to searchable passages.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use e2e::{Client, System, Upload, median};
use embedding::Embed as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::{bench::Bench, cpu::Cpu, figures::Figures};

pub const PROJECT: &str = "medida";
const CLIENTS: usize = 8;

pub async fn measure(bench: &mut Bench) -> Result<()> {
    let texts = bench.ceiling.texts(&mut bench.random, bench.effort.texts);
    throughput(bench, &texts).await?;
    manual(bench).await
}

/// Measures one import of records and single files from several clients, one passage per text, against the model.
async fn throughput(bench: &mut Bench, texts: &[String]) -> Result<()> {
    let Bench { system, client, ceiling, figures, .. } = bench;
    let (records, files) = texts.split_at(texts.len() * 7 / 10);
    ceiling.measure_passages(records).await?;
    let idle = Cpu::read(system)?;
    let bulk = import(client, records).await?;
    let imported = Cpu::read(system)?;
    ceiling.measure_passages(files).await?;
    let between = Cpu::read(system)?;
    let single = upload_and_wait(client, files).await?;
    let uploaded = Cpu::read(system)?;
    ceiling.measure_passages(records).await?;
    let (what, most) = ("the model alone", ceiling.passages());
    figures.plain("model: passages", most, "1/s");
    figures.ratio("ingest: records of one import", bulk, "1/s", what, most);
    figures.ratio("ingest: files by 8 clients that wait", single, "1/s", what, most);
    imported.report(idle, records.len(), "ingest of a record", figures);
    uploaded.report(between, files.len(), "ingest of a file", figures);
    Ok(())
}

/// Measures one import of many records against the model, whose speed is measured before and after it.
pub async fn long_import(bench: &mut Bench, records: usize) -> Result<()> {
    let Bench { system, client, ceiling, figures, random, .. } = bench;
    let texts = ceiling.texts(random, records);
    let some = &texts[..records.min(1_000)];
    ceiling.measure_passages(some).await?;
    let before = Cpu::read(system)?;
    let rate = import(client, &texts).await?;
    let after = Cpu::read(system)?;
    ceiling.measure_passages(some).await?;
    let name = format!("ingest: {records} records of one import");
    figures.ratio(name, rate, "1/s", "the model alone", ceiling.passages());
    after.report(before, records, "ingest of a record", figures);
    Ok(())
}

/// Imports one record for each text; returns how many became searchable in a second.
pub async fn import(client: &Client, texts: &[String]) -> Result<f64> {
    let lines = records(texts);
    let started = Instant::now();
    let upload = Upload::new("medida.ndjson", lines, json!({"project_id": PROJECT}));
    let id = client.upload(upload).await?;
    // A long import is not asked often, because that takes processor time too.
    let pause = Duration::from_micros(100 * texts.len() as u64).max(Duration::from_millis(50));
    let mut document = client.document(&id, PROJECT).await?;
    while document["state"] == "queued" || document["state"] == "processing" {
        ensure!(started.elapsed() < pause * 5_000, "still not settled: {document}");
        tokio::time::sleep(pause).await;
        document = client.document(&id, PROJECT).await?;
    }
    let took = started.elapsed();
    ensure!(document["records"]["indexed"] == texts.len(), "not all records are indexed: {document}");
    Ok(texts.len() as f64 / took.as_secs_f64())
}

/// Returns the lines of an import with one record for each text.
pub fn records(texts: &[String]) -> String {
    let record = |(number, text): (usize, &String)| {
        json!({"DocumentId": format!("r-{number}"), "metadata": {"Title": "Registro"}, "full_text": text})
            .to_string()
    };
    texts.iter().enumerate().map(record).collect::<Vec<_>>().join("\n")
}

async fn upload_and_wait(client: &Client, texts: &[String]) -> Result<f64> {
    let started = Instant::now();
    let uploads = texts.iter().enumerate().map(|(number, text)| {
        let name = format!("archivo-{number}.txt");
        client.index(Upload::new(&name, text.clone(), json!({"project_id": PROJECT})))
    });
    stream::iter(uploads).buffer_unordered(CLIENTS).try_for_each(|_| async { Ok(()) }).await?;
    Ok(texts.len() as f64 / started.elapsed().as_secs_f64())
}

/// Measures the sample with 20 pages from its 202 until it is searchable, against the time of its embedding alone.
async fn manual(bench: &mut Bench) -> Result<()> {
    const RUNS: usize = 3;
    let Bench { client, pool, ceiling, figures, .. } = bench;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/files/operation-and-maintenance-manual.pdf");
    let bytes = std::fs::read(path).context("the sample manual")?;
    let (mut taken, mut embedding) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let project = format!("manual-{run}");
        let upload = Upload::new("manual.pdf", bytes.clone(), json!({"project_id": project}));
        let id = client.upload(upload).await?;
        let accepted = Instant::now();
        indexed(client, &id, &project).await?;
        taken.push(accepted.elapsed().as_secs_f64());
        let found = client.search(&project, "legionella sampling in the cooling towers").await?;
        ensure!(found.first().is_some_and(|row| row["page"] == 4), "the manual does not answer: {found:?}");

        let passages: Vec<String> = sqlx::query_scalar(
            "SELECT concat_ws(E'\\n', nullif(heading, ''), text) FROM chunk c JOIN project p ON p.key = c.project_key
             WHERE p.id = $1",
        )
        .bind(&project)
        .fetch_all(&*pool)
        .await?;
        let started = Instant::now();
        ceiling.model.passages(passages.into_iter().map(Into::into).collect()).await?;
        embedding.push(started.elapsed().as_secs_f64());
    }
    let (taken, embedding) = (median(taken), median(embedding));
    figures.ratio("a 20-page PDF: 202 to searchable", taken, "s", "its embedding alone", embedding);
    Ok(())
}

/// Follows the events of a document until its last one; polling would add time.
async fn indexed(client: &Client, id: &str, project: &str) -> Result<()> {
    let answer = client.get(&format!("/documents/{id}/events?project_id={project}")).await?;
    ensure!(answer.status().is_success(), "events: {}", answer.status());
    let text = answer.text().await?;
    let last = text.lines().filter_map(|line| line.strip_prefix("data:")).next_back();
    let last: Value = serde_json::from_str(last.context("no event")?)?;
    ensure!(last["event"] == "indexed", "{last}");
    Ok(())
}

/// Measures how many small files per second are accepted (file and job on disk), against the speed of the disk. The
/// workers are stopped before, so the jobs stay in the queue and the system cannot be used any more.
pub async fn intake(system: &mut System, figures: &mut Figures) -> Result<()> {
    const TIME: Duration = Duration::from_secs(5);
    const UPLOADERS: usize = 16;
    for worker in &mut system.ingest_workers {
        worker.kill()?;
    }
    let client = system.client()?;
    let syncs = syncs_a_second(&system.stack.paths().stack.join("tmp"))?;
    let (started, next) = (Instant::now(), AtomicUsize::new(0));
    let uploaders = (0..UPLOADERS).map(|_| async {
        while started.elapsed() < TIME {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let text = format!("Nota breve número {number}.");
            let upload = Upload::new(&format!("n-{number}.txt"), text, json!({"project_id": "breves"}));
            client.upload(upload).await?;
        }
        Ok::<_, anyhow::Error>(())
    });
    futures::future::try_join_all(uploaders).await?;
    let rate = next.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    figures.ratio("intake: tiny files by 16 clients", rate, "1/s", "synchronous writes of one file", syncs);
    Ok(())
}

/// How many small synchronous writes per second this disk can do.
fn syncs_a_second(folder: &std::path::Path) -> Result<f64> {
    use std::io::Write as _;
    const TIME: Duration = Duration::from_secs(1);
    let path = folder.join(format!("syncs-{}", std::process::id()));
    let mut file = std::fs::File::create(&path)?;
    let (started, mut syncs) = (Instant::now(), 0_u32);
    while started.elapsed() < TIME {
        file.write_all(&[7; 512])?;
        file.sync_all()?;
        syncs += 1;
    }
    let rate = f64::from(syncs) / started.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}
