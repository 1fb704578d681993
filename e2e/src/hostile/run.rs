//! Sends one hostile file through a running system.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use devstack::{Client, Upload};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::File;

/// The outcome of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The upload was refused with this HTTP status.
    Refused(StatusCode),
    Indexed,
    /// Accepted, but processing failed; holds the document's reason code.
    Failed(String),
    /// Accepted, but neither indexed nor failed within `PATIENCE`.
    Stuck,
}

impl Outcome {
    /// Whether the system withstood the file: it was indexed, or refused with a reason that concerns the file.
    pub fn is_fine(&self) -> bool {
        match self {
            Self::Refused(status) => status.is_client_error(),
            Self::Indexed => true,
            Self::Failed(code) => !matches!(code.as_str(), "internal" | "kills_workers" | "reader_failed"),
            Self::Stuck => false,
        }
    }
}

/// Maximum time until a file is indexed or has failed; an import or a mail also waits for the documents
/// inside it.
const PATIENCE: Duration = Duration::from_secs(900);
const BETWEEN: Duration = Duration::from_millis(100);

/// Uploads a file, waits until it is indexed or has failed, and returns its outcome.
pub async fn send(client: &Client, project: &str, file: &File) -> Result<Outcome> {
    let upload = Upload::new(&file.name, file.bytes.clone(), json!({"project_id": project}));
    let answer = client.try_upload(upload, "").await?;
    let (status, body) = (answer.status(), answer.text().await?);
    if status != StatusCode::ACCEPTED {
        return Ok(Outcome::Refused(status));
    }
    let body: Value = serde_json::from_str(&body)?;
    let id = body["data"]["document_id"].as_str().context("no document_id")?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let document = client.document(id, project).await?;
        match document["state"].as_str() {
            Some("indexed" | "superseded") => return Ok(Outcome::Indexed),
            Some("failed") => {
                let code = document["reason_code"].as_str().unwrap_or_default();
                return Ok(Outcome::Failed(code.to_owned()));
            }
            _ => tokio::time::sleep(BETWEEN).await,
        }
    }
    Ok(Outcome::Stuck)
}
