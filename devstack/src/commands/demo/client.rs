//! The answers of acorag, with the fields that the demo uses.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use devstack::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

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
    /// The message in each language.
    pub message: HashMap<String, String>,
}

/// The numbers of records of a bulk import.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Records {
    pub total: u32,
    pub indexed: u32,
    pub failed: u32,
}

/// The best passage of a document: a row of a search or a source of an answer.
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

pub async fn document(client: &Client, id: &str, project: &str) -> Result<Document> {
    Ok(serde_json::from_value(client.document(id, project).await?)?)
}

pub async fn search(client: &Client, query: &str, project: &str) -> Result<Vec<Hit>> {
    posted(client, "/search", &json!({ "query": query, "project_id": project, "top_k": 5 })).await
}

pub async fn chat(client: &Client, question: &str, project: &str) -> Result<Answer> {
    posted(client, "/chat", &json!({ "message": question, "project_id": project })).await
}

async fn posted<T: DeserializeOwned>(client: &Client, path: &str, body: &Value) -> Result<T> {
    let answer = client.post(path, body).await?;
    let (status, body) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "{path} answered {status}: {body}");
    serde_json::from_str(&body).with_context(|| format!("{path} answered something unexpected: {body}"))
}
