//! A REST client for documents, searches and chats.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{
    Response, StatusCode,
    multipart::{Form, Part},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub url: String,
}

#[derive(Debug, Clone)]
pub struct Upload {
    pub filename: String,
    pub bytes: Vec<u8>,
    pub metadata: Value,
}

impl Upload {
    pub fn new(filename: &str, bytes: impl Into<Vec<u8>>, metadata: Value) -> Self {
        Self { filename: filename.to_owned(), bytes: bytes.into(), metadata }
    }
}

/// An HTTP client for an acorag on this machine, without a proxy.
pub fn http_client() -> reqwest::ClientBuilder {
    // A process has one TLS provider. Later calls find it installed and fail, which does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(300))
}

impl Client {
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self { http: http_client().build()?, url: url.trim_end_matches('/').to_owned() })
    }

    pub fn with_token(mut self, token: &str) -> Result<Self> {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse()?);
        self.http = http_client().default_headers(headers).build()?;
        Ok(self)
    }

    /// Sends the calls to another api.
    #[must_use]
    pub fn at(mut self, url: &str) -> Self {
        self.url = url.trim_end_matches('/').to_owned();
        self
    }

    pub async fn get(&self, path: &str) -> Result<Response> {
        Ok(self.http.get(format!("{}{path}", self.url)).send().await?)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Response> {
        Ok(self.http.post(format!("{}{path}", self.url)).json(body).send().await?)
    }

    pub async fn delete(&self, path: &str) -> Result<Response> {
        Ok(self.http.delete(format!("{}{path}", self.url)).send().await?)
    }

    /// Uploads a file and returns the response, whatever its status is.
    pub async fn try_upload(&self, upload: Upload, query: &str) -> Result<Response> {
        let form = Form::new()
            .text("metadata", upload.metadata.to_string())
            .part("file", Part::bytes(upload.bytes).file_name(upload.filename));
        Ok(self.http.post(format!("{}/upload{query}", self.url)).multipart(form).send().await?)
    }

    /// Uploads a file, expects 202 and returns the document's id.
    pub async fn upload(&self, upload: Upload) -> Result<String> {
        self.uploaded(upload, "", StatusCode::ACCEPTED).await
    }

    /// Uploads a file, waits until the document is searchable, and returns its id.
    pub async fn index(&self, upload: Upload) -> Result<String> {
        self.uploaded(upload, "?wait=120", StatusCode::OK).await
    }

    async fn uploaded(&self, upload: Upload, query: &str, expected: StatusCode) -> Result<String> {
        let answer = self.try_upload(upload, query).await?;
        let (status, body) = (answer.status(), answer.text().await?);
        ensure!(status == expected, "upload{query}: {status} {body}");
        let body: Value = serde_json::from_str(&body)?;
        Ok(body["data"]["document_id"].as_str().context("no document_id")?.to_owned())
    }

    pub async fn document(&self, id: &str, project: &str) -> Result<Value> {
        let answer = self.get(&format!("/documents/{id}?project_id={project}")).await?;
        successful(&format!("document {id}"), answer).await
    }

    /// Asks until the document is in a final state, and returns the document.
    pub async fn settled(&self, id: &str, project: &str) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(240);
        loop {
            let document = self.document(id, project).await?;
            if matches!(document["state"].as_str(), Some("indexed" | "failed" | "superseded")) {
                return Ok(document);
            }
            if Instant::now() > deadline {
                bail!("still not settled: {document}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn search(&self, project: &str, query: &str) -> Result<Vec<Value>> {
        self.search_with(json!({ "query": query, "project_id": project, "top_k": 10 })).await
    }

    pub async fn search_with(&self, body: Value) -> Result<Vec<Value>> {
        successful("search", self.post("/search", &body).await?).await
    }

    pub async fn chat(&self, body: &Value) -> Result<Value> {
        successful("chat", self.post("/chat", body).await?).await
    }
}

async fn successful<T: DeserializeOwned>(call: &str, answer: Response) -> Result<T> {
    ensure!(answer.status().is_success(), "{call}: {} {}", answer.status(), answer.text().await?);
    Ok(answer.json().await?)
}
