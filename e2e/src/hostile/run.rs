//! One hostile file's way through a running system.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use devstack::{Client, Upload};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::File;

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Not accepted, with this status.
    Refused(u16),
    Indexed,
    /// With this code.
    Failed(String),
    /// Accepted, and neither indexed nor failed after a long time.
    Stuck,
}

impl Outcome {
    /// Whether the system held: it answered with a reason that concerns the file.
    pub fn is_fine(&self) -> bool {
        match self {
            Self::Refused(status) => {
                StatusCode::from_u16(*status).is_ok_and(|status| status.is_client_error())
            }
            Self::Indexed => true,
            Self::Failed(code) => !matches!(code.as_str(), "internal" | "kills_workers" | "reader_failed"),
            Self::Stuck => false,
        }
    }
}

/// An import or a mail is settled when what came with it is.
const PATIENCE: Duration = Duration::from_secs(900);
const BETWEEN: Duration = Duration::from_millis(100);

/// Uploads a file, and waits until it is settled.
pub async fn send(client: &Client, project: &str, file: &File) -> Result<Outcome> {
    let upload = Upload::new(&file.name, file.bytes.clone(), json!({"project_id": project}));
    let answer = client.try_upload(upload, "").await?;
    let (status, body) = (answer.status(), answer.text().await?);
    if status != StatusCode::ACCEPTED {
        return Ok(Outcome::Refused(status.as_u16()));
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
