//! The three REST calls that an evaluation needs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use e2e::Upload;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// Maximum number of results that a search returns.
const TOP_K: usize = 50;
const MOST_CHARACTERS: usize = 2000;
/// A server that refuses for longer than this is considered down.
const MOST_WAITING: Duration = Duration::from_secs(15 * 60);

pub struct Client(e2e::Client);

pub struct Found {
    pub documents: Vec<String>,
    /// The duration of the successful call, without refused attempts before it.
    pub took: Duration,
    /// Whether a part of the search (vector or keyword) is missing from the answer.
    pub degraded: bool,
}

impl Client {
    pub fn new(url: &str, key: Option<&str>) -> Result<Self> {
        let client = e2e::Client::new(url)?;
        Ok(Self(match key {
            Some(key) => client.with_token(key)?,
            None => client,
        }))
    }

    /// Uploads a file of records; returns the path of the import's state.
    pub async fn upload(&self, project: &str, name: &str, bytes: &[u8]) -> Result<String> {
        let file = Upload::new(name, bytes, json!({ "project_id": project }));
        let (response, _) =
            send(|| self.0.try_upload(file.clone(), "")).await.context("the upload failed")?;
        let accepted: Value = response.json().await?;
        let path = accepted["data"]["status_url"].as_str();
        Ok(path.context("the upload was answered otherwise than promised")?.to_owned())
    }

    /// Returns the document at this path.
    pub async fn state(&self, path: &str) -> Result<Value> {
        let (response, _) = send(|| self.0.get(path)).await.context("asking how far it is failed")?;
        response.json().await.context("the state of the import is not what was promised")
    }

    pub async fn search(&self, project: &str, query: &str, mode: &str) -> Result<Found> {
        #[derive(Deserialize)]
        struct Row {
            document_id: String,
        }
        let query: String = query.chars().take(MOST_CHARACTERS).collect();
        let body = json!({"query": query, "project_id": project, "top_k": TOP_K, "mode": mode});
        let (response, started) = send(|| self.0.post("/search", &body)).await?;
        let degraded = response.headers().contains_key("x-acorag-degraded");
        let rows: Vec<Row> = response.json().await.context("the answer is not a list of documents")?;
        let took = started.elapsed();
        Ok(Found { documents: rows.into_iter().map(|row| row.document_id).collect(), took, degraded })
    }
}

/// Repeats a call as long as it is refused temporarily. Returns the response, and when the last attempt began.
async fn send<F: Future<Output = Result<Response>>>(call: impl Fn() -> F) -> Result<(Response, Instant)> {
    let mut waited = Duration::ZERO;
    loop {
        let started = Instant::now();
        let response = call().await?;
        let status = response.status();
        if status.is_success() {
            return Ok((response, started));
        }
        let pause = pause(&response);
        let refused = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if !refused || waited + pause > MOST_WAITING {
            bail!("{status}: {}", response.text().await.unwrap_or_default());
        }
        if pause > Duration::from_secs(10) {
            eprintln!("{status}: asked to wait {} s", pause.as_secs());
        }
        tokio::time::sleep(pause).await;
        waited += pause;
    }
}

fn pause(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

#[cfg(test)]
mod tests;
