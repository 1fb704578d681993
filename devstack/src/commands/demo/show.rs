//! Uploads the samples, shows their progress, searches and asks.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use devstack::{Client, Upload};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::{Document, Hit, chat, document, search};

const POLL: Duration = Duration::from_millis(250);
const INDEXED_WITHIN: Duration = Duration::from_secs(300);
const SNIPPET: usize = 160;

#[derive(Deserialize)]
struct Sample {
    file: String,
    metadata: Value,
}

/// Searches and questions with known answers.
#[derive(Deserialize)]
struct Questions {
    searches: Vec<Search>,
    questions: Vec<Question>,
}

#[derive(Deserialize)]
struct Search {
    query: String,
    language: String,
    expect: Expected,
}

#[derive(Deserialize)]
struct Question {
    question: String,
    expect: Expected,
}

#[derive(Deserialize)]
struct Expected {
    filename: Option<String>,
    number: Option<String>,
    page: Option<u32>,
}

type Choice = fn(&Search) -> bool;

/// Fails if an upload fails, or if a first hit is not the expected page of the expected document.
pub async fn show(client: &Client, samples: &Path) -> Result<()> {
    let manifest: Vec<Sample> = read(&samples.join("manifest.json"))?;
    let questions: Questions = read(&samples.join("questions.json"))?;
    let project =
        manifest.iter().find_map(|sample| sample.metadata.get("project_id")?.as_str()).unwrap_or_default();
    upload_all(client, samples, project, &manifest).await?;

    let kinds: [(&str, Choice); 3] = [
        ("a search in Spanish", |search| search.language == "es" && search.expect.page.is_some()),
        ("a search in English", |search| search.language == "en" && search.expect.page.is_some()),
        ("a drawing by its number", |search| search.expect.number.as_ref() == Some(&search.query)),
    ];
    for (kind, is_kind) in kinds {
        let example = questions.searches.iter().find(|search| is_kind(search));
        let example = example.with_context(|| format!("the samples have no example of {kind}"))?;
        println!("\n{kind}: {}", example.query);
        let hits = search(client, &example.query, project).await?;
        check(&hits, &example.expect)?;
    }

    let question = questions.questions.first().context("the samples have no question")?;
    println!("\na question: {}", question.question);
    let answer = chat(client, &question.question, project).await?;
    println!("  {}", answer.answer.replace('\n', "\n  "));
    check(&answer.sources, &question.expect)
}

/// Uploads all samples at once, like an export from another system.
async fn upload_all(client: &Client, samples: &Path, project: &str, manifest: &[Sample]) -> Result<()> {
    let started = Instant::now();
    println!("\nuploading {} sample files", manifest.len());
    let mut pending = Vec::new();
    for sample in manifest {
        let path = samples.join("files").join(&sample.file);
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let id = client.upload(Upload::new(&sample.file, bytes, sample.metadata.clone())).await;
        let id = id.with_context(|| format!("the upload of {} failed", sample.file))?;
        println!("  {:<40} accepted", sample.file);
        pending.push((sample, id, None));
    }
    while !pending.is_empty() {
        ensure!(started.elapsed() < INDEXED_WITHIN, "{} is still not indexed", pending[0].0.file);
        let mut rest = Vec::new();
        for (sample, id, last) in pending {
            let now = document(client, &id, project).await?;
            if last.as_ref() != Some(&now) {
                println!("  {:<40} {}", sample.file, progress(&now));
            }
            ensure!(now.state != "failed", "{} was not indexed: {}", sample.file, reason(&now));
            if !is_done(&now) {
                rest.push((sample, id, Some(now)));
            }
        }
        pending = rest;
        if !pending.is_empty() {
            tokio::time::sleep(POLL).await;
        }
    }
    println!("  all searchable after {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}

fn is_done(document: &Document) -> bool {
    document.state == "indexed"
        && document.records.is_none_or(|records| records.indexed + records.failed >= records.total)
}

fn progress(document: &Document) -> String {
    let Document { state, percent, pages, chunks, records, .. } = document;
    match (state.as_str(), records) {
        (_, Some(records)) => format!("{state}, {} of {} records", records.indexed, records.total),
        ("processing", _) => format!("processing, {percent} %"),
        ("indexed", _) if *pages > 0 => {
            format!("indexed: {}, {}", many(*pages, "page"), many(*chunks, "passage"))
        }
        ("indexed", _) => format!("indexed: {}", many(*chunks, "passage")),
        _ => state.clone(),
    }
}

fn many(count: u32, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn reason(document: &Document) -> &str {
    let message = document.reason.as_ref().and_then(|reason| reason.message.get("en"));
    message.map_or("no reason given", String::as_str)
}

/// Prints the first hit and fails if it is not the expected one.
fn check(hits: &[Hit], expected: &Expected) -> Result<()> {
    let hit = hits.first().context("nothing was found")?;
    let page = hit.page.map(|page| format!(", page {page}")).unwrap_or_default();
    println!("  {} | {} rev. {}{page}", hit.title, hit.number, hit.revision);
    println!("  \"{}\"", shortened(&hit.snippet));
    let right = expected.filename.as_ref().is_none_or(|filename| *filename == hit.filename)
        && expected.number.as_ref().is_none_or(|number| *number == hit.number)
        && (expected.page.is_none() || expected.page == hit.page);
    ensure!(
        right,
        "this is not the right first hit: {} {}, page {} was expected",
        expected.filename.as_deref().unwrap_or_default(),
        expected.number.as_deref().unwrap_or_default(),
        expected.page.map_or_else(|| "any".to_owned(), |page| page.to_string()),
    );
    Ok(())
}

fn shortened(snippet: &str) -> String {
    let words: String = snippet.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(SNIPPET) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not as expected", file.display()))
}
