//! Measures how long one project waits for a document and for searches while another project imports very many records.

use anyhow::{Result, ensure};
use e2e::{Client, Random, Upload, median, percentiles, prose, timed};
use serde_json::json;

use crate::{bench::Bench, ceiling::Questions, ingest};

const UPLOADS: usize = 12;
const SEARCHES: usize = 300;
const QUIET: &str = "tranquilo";
const BUSY: &str = "ocupado";

/// Starts the import but does not wait for it: the measurement ends earlier.
pub async fn beside_an_import(bench: &mut Bench, records: usize) -> Result<()> {
    let Bench { client, random, questions, figures, .. } = bench;
    // The first measurement only fills the caches after a start and is not used.
    measure(client, random, questions).await?;
    let (upload, search) = measure(client, random, questions).await?;
    let texts: Vec<String> = (0..records).map(|_| prose::paragraph(random, 12)).collect();
    let lines = ingest::records(&texts);
    let import = client.upload(Upload::new("ocupado.ndjson", lines, json!({"project_id": BUSY}))).await?;
    loop {
        let document = client.document(&import, BUSY).await?;
        let is_over = document["state"] == "indexed" || document["state"] == "failed";
        if is_over || document["records"]["indexed"].as_u64() >= Some(50) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let (upload_beside, search_beside) = measure(client, random, questions).await?;
    let document = client.document(&import, BUSY).await?;
    ensure!(document["state"] == "processing", "the import ended too early: {document}");
    figures.ratio("upload beside an import: until searchable", upload_beside, "s", "alone", upload);
    figures.ratio("search beside an import: p95", search_beside, "ms", "alone", search);
    Ok(())
}

/// Returns the median seconds from an upload until its document is searchable, and the 95th percentile of the search
/// time in milliseconds.
async fn measure(client: &Client, random: &mut Random, questions: &Questions) -> Result<(f64, f64)> {
    let (mut uploads, mut searches) = (Vec::new(), Vec::new());
    for number in 0..UPLOADS {
        let text = prose::paragraph(random, 12);
        let upload = Upload::new(&format!("nota-{number}.txt"), text, json!({"project_id": QUIET}));
        uploads.push(timed(client.index(upload)).await?.1 / 1_000.0);
    }
    for query in questions.some(SEARCHES) {
        searches.push(timed(client.search(QUIET, &query)).await?.1);
    }
    let [search] = percentiles(searches, [0.95]);
    Ok((median(uploads), search))
}
