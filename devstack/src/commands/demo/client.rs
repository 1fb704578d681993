//! A client of acorag's REST interface, as any other would be.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::acorag::http_client;

pub struct Client {
    url: String,
    http: reqwest::Client,
}

#[derive(Debug, Deserialize)]
pub struct Accepted {
    pub document_id: String,
}

/// A document as far as the demo looks at it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Document {
    pub state: String,
    pub percent: u8,
    pub pages: u32,
    pub chunks: u32,
    pub reason: Option<Reason>,
    pub records: Option<Records>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Reason {
    /// By language.
    pub message: HashMap<String, String>,
}

/// Of a bulk import.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Records {
    pub total: u32,
    pub indexed: u32,
    pub failed: u32,
}

/// The best passage of a document: a row of a search, or a source of an answer.
#[derive(Debug, Deserialize)]
pub struct Hit {
    pub title: String,
    pub number: String,
    pub revision: String,
    pub filename: String,
    pub page: Option<u32>,
    pub snippet: String,
}

#[derive(Debug, Deserialize)]
pub struct Answer {
    pub answer: String,
    pub sources: Vec<Hit>,
}

impl Client {
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self { url: url.to_owned(), http: http_client(Duration::from_secs(60))? })
    }

    pub async fn upload(&self, file: &Path, metadata: &Value) -> Result<Accepted> {
        #[derive(Deserialize)]
        struct Envelope {
            data: Accepted,
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let form = Form::new()
            .part("file", Part::bytes(bytes).file_name(name))
            .text("metadata", metadata.to_string());
        let answer: Envelope = json_of(self.http.post(self.at("/upload")).multipart(form)).await?;
        Ok(answer.data)
    }

    pub async fn document(&self, id: &str) -> Result<Document> {
        json_of(self.http.get(self.at(&format!("/documents/{id}")))).await
    }

    pub async fn search(&self, query: &str, project: &str) -> Result<Vec<Hit>> {
        let body = json!({ "query": query, "project_id": project, "top_k": 5 });
        json_of(self.http.post(self.at("/search")).json(&body)).await
    }

    pub async fn chat(&self, question: &str, project: &str) -> Result<Answer> {
        let body = json!({ "message": question, "project_id": project });
        json_of(self.http.post(self.at("/chat")).json(&body)).await
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

async fn json_of<T: DeserializeOwned>(request: RequestBuilder) -> Result<T> {
    let answer = request.send().await?;
    let (status, path) = (answer.status(), answer.url().path().to_owned());
    let body = answer.text().await?;
    if !status.is_success() {
        let problem: Value = serde_json::from_str(&body).unwrap_or_default();
        let detail = problem.get("detail").and_then(Value::as_str).unwrap_or(&body);
        bail!("{path} answered {status}: {detail}");
    }
    serde_json::from_str(&body).with_context(|| format!("{path} answered something unexpected: {body}"))
}
