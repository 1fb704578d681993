//! Uploads the samples, shows their progress, searches and asks.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use devstack::{Client, Upload};
use serde_json::{Value, json};

const POLL: Duration = Duration::from_millis(250);
const INDEXED_WITHIN: Duration = Duration::from_secs(300);
const SNIPPET: usize = 160;

type Choice = fn(&Value) -> bool;

/// Fails if an upload fails, or if a first hit is not the expected page of the expected document.
pub async fn show(client: &Client) -> Result<()> {
    let (samples, questions) = (devstack::samples()?, devstack::questions()?);
    let project = samples.iter().find_map(|sample| sample.metadata["project_id"].as_str());
    let project = project.context("the samples name no project")?.to_owned();
    upload_all(client, samples, &project).await?;

    let kinds: [(&str, Choice); 3] = [
        ("a search in Spanish", |search| search["language"] == "es" && search["expect"]["page"].is_u64()),
        ("a search in English", |search| search["language"] == "en" && search["expect"]["page"].is_u64()),
        ("a drawing by its number", |search| search["expect"]["number"] == search["query"]),
    ];
    for (kind, is_kind) in kinds {
        let example = questions["searches"].as_array().into_iter().flatten().find(|search| is_kind(search));
        let example = example.with_context(|| format!("the samples have no example of {kind}"))?;
        let query = text(example, "query");
        println!("\n{kind}: {query}");
        check(&client.search(&project, query).await?, &example["expect"])?;
    }

    let example = questions["questions"].get(0).context("the samples have no question")?;
    let question = text(example, "question");
    println!("\na question: {question}");
    let answer = client.chat(&json!({ "message": question, "project_id": project })).await?;
    println!("  {}", text(&answer, "answer").replace('\n', "\n  "));
    check(answer["sources"].as_array().context("the answer has no sources")?, &example["expect"])
}

/// Uploads all samples at once, like an export from another system.
async fn upload_all(client: &Client, samples: Vec<Upload>, project: &str) -> Result<()> {
    let started = Instant::now();
    println!("\nuploading {} sample files", samples.len());
    let mut pending = Vec::new();
    for sample in samples {
        let file = sample.filename.clone();
        let id = client.upload(sample).await.with_context(|| format!("the upload of {file} failed"))?;
        println!("  {file:<40} accepted");
        pending.push((file, id, String::new()));
    }
    while !pending.is_empty() {
        ensure!(started.elapsed() < INDEXED_WITHIN, "{} is still not indexed", pending[0].0);
        let mut rest = Vec::new();
        for (file, id, shown) in pending {
            let document = client.document(&id, project).await?;
            let now = progress(&document);
            if now != shown {
                println!("  {file:<40} {now}");
            }
            ensure!(document["state"] != "failed", "{file} was not indexed: {}", text(&document, "reason"));
            if !is_done(&document) {
                rest.push((file, id, now));
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

/// Whether the document is indexed and, if it is an import, all its records have their outcome.
fn is_done(document: &Value) -> bool {
    let records = |field: &str| document["records"][field].as_u64().unwrap_or_default();
    document["state"] == "indexed" && records("indexed") + records("failed") >= records("total")
}

fn progress(document: &Value) -> String {
    let (state, records) = (text(document, "state"), &document["records"]);
    let passages = many(&document["chunks"], "passage");
    match state {
        _ if records.is_object() => {
            format!("{state}, {} of {} records", records["indexed"], records["total"])
        }
        "processing" => format!("processing, {} %", document["percent"]),
        "indexed" if document["pages"] != 0 => {
            format!("indexed: {}, {passages}", many(&document["pages"], "page"))
        }
        "indexed" => format!("indexed: {passages}"),
        _ => state.to_owned(),
    }
}

fn many(count: &Value, thing: &str) -> String {
    format!("{count} {thing}{}", if *count == 1 { "" } else { "s" })
}

/// Prints the first hit and fails if it is not the expected one.
fn check(hits: &[Value], expected: &Value) -> Result<()> {
    let hit = hits.first().context("nothing was found")?;
    let page = hit["page"].as_u64().map(|page| format!(", page {page}")).unwrap_or_default();
    println!("  {} | {} rev. {}{page}", text(hit, "title"), text(hit, "number"), text(hit, "revision"));
    println!("  \"{}\"", shortened(text(hit, "snippet")));
    let is_as_expected = |field: &&str| expected[field].is_null() || expected[field] == hit[field];
    ensure!(
        ["filename", "number", "page"].iter().all(is_as_expected),
        "this is not the right first hit: {expected} was expected"
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

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
