//! Uploads the corpus to a project, as bulk imports of Aconex records.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use crate::beir::Document;
use crate::rest::Client;

/// Maximum number of bytes of an import, well below the default limit of the api.
const MOST_BYTES: usize = 8 << 20;

/// Returns the documents indexed per second, from the first byte sent until the last document is searchable. It is an
/// error if no further document was indexed for `patience`.
pub async fn run(client: &Client, project: &str, corpus: &[Document], patience: Duration) -> Result<f64> {
    let started = Instant::now();
    let mut imports = Vec::new();
    for (number, file) in files(project, corpus).into_iter().enumerate() {
        let name = format!("{project}-{:03}.ndjson", number + 1);
        let import = client.upload(project, &name, &file.bytes).await?;
        eprintln!("accepted {name}: {} records", file.records);
        imports.push((import, file.records));
    }

    let (total, mut best, mut since) = (corpus.len(), 0.0, Instant::now());
    loop {
        let (mut done, mut finished) = (0.0, true);
        for (import, records) in &imports {
            let state = client.state(import).await?;
            finished &= is_indexed(import, &state)?;
            done += state["percent"].as_f64().unwrap_or(0.0).clamp(0.0, 100.0) / 100.0 * *records as f64;
        }
        if done > best {
            (best, since) = (done, Instant::now());
            let rate = done / started.elapsed().as_secs_f64();
            let left = (total as f64 - done) / rate;
            eprintln!("indexed {done:.0} of {total}, {rate:.1}/s, {left:.0} s to go");
        } else if since.elapsed() > patience {
            let patience = patience.as_secs();
            bail!(
                "nothing was indexed for {patience} s, {done:.0} of {total} are: is an ingest worker running?"
            );
        }
        if finished {
            return Ok(total as f64 / started.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

struct File {
    bytes: Vec<u8>,
    records: usize,
}

fn files(project: &str, corpus: &[Document]) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    for Document { id, title, text } in corpus {
        let record = json!({
            "DocumentId": id,
            "metadata": {"Title": title, "SelectList2": project},
            "full_text": text,
        });
        let line = format!("{record}\n");
        match files.last_mut() {
            Some(file) if file.bytes.len() + line.len() <= MOST_BYTES => {
                file.bytes.extend_from_slice(line.as_bytes());
                file.records += 1;
            }
            _ => files.push(File { bytes: line.into_bytes(), records: 1 }),
        }
    }
    files
}

fn is_indexed(import: &str, document: &Value) -> Result<bool> {
    let (failed, reason) = (document["records"]["failed"].as_u64().unwrap_or(0), &document["reason"]);
    // A failed record is an error: the figures would be those of another corpus.
    ensure!(failed == 0, "{failed} records of import {import} failed; {reason}");
    match document["state"].as_str() {
        Some("indexed") => Ok(true),
        Some("queued" | "processing") => Ok(false),
        _ => bail!("import {import} is {}; {reason}", document["state"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_one_line_of_one_file() {
        let document =
            |id: usize| Document { id: id.to_string(), title: "T\n".into(), text: "á\n".repeat(1 << 20) };
        let corpus: Vec<_> = (0..5).map(document).collect();
        let files = files("p", &corpus);
        assert!(files.len() > 1 && files.iter().all(|file| file.bytes.len() <= MOST_BYTES));
        let ids: Vec<_> = files
            .iter()
            .flat_map(|file| std::str::from_utf8(&file.bytes).unwrap().lines())
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|record| {
                assert_eq!(record["metadata"], json!({"Title": "T\n", "SelectList2": "p"}));
                record["DocumentId"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(ids, ["0", "1", "2", "3", "4"]);
        assert_eq!(files.iter().map(|file| file.records).sum::<usize>(), 5);
    }
}
