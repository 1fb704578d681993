//! Checks that every accepted document has the expected state, and that nothing else is stored.

mod stored;

use std::collections::HashMap;

use anyhow::{Result, bail, ensure};
use e2e::Client;
use futures::{StreamExt as _, stream};
use reqwest::{Response, StatusCode};
use schemas::{DocumentId, ProjectId, event::EventKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    plan::{Document, Submission},
    report::{
        Report,
        Violation::{self, Duplicated, Lost, Stuck, Wrong},
    },
    send::Outcome,
};
pub use stored::Stored;

pub struct Check {
    pub client: Client,
    pub stored: Stored,
    /// The number of passages of each long file, by its SHA-256, counted before the faults.
    pub baseline: HashMap<String, i64>,
}

/// The number of documents that are checked at the same time.
const CONCURRENT: usize = 4;

/// What is wrong with a document or an import.
#[derive(Debug, thiserror::Error)]
#[error("{1}")]
struct Finding(Violation, String);

impl Check {
    pub async fn run(&self, sent: &[(&Submission, Outcome)]) -> Result<Report> {
        let mut report = Report::default();
        for (violation, what) in &self.stored.violations {
            report.add(*violation, what.clone());
        }
        for (submission, outcome) in sent {
            if submission.records.is_some() {
                report.accepted += 1;
                match self.import(submission).await {
                    Ok(()) => report.indexed += 1,
                    Err(error) => {
                        let Finding(violation, what) = error.downcast()?;
                        report.add(violation, what);
                    }
                }
            }
            let mut documents = stream::iter(&submission.documents)
                .map(|document| async move { (document, self.document(document, *outcome).await) })
                .buffered(CONCURRENT);
            while let Some((document, checked)) = documents.next().await {
                report.accepted += usize::from(*outcome == Outcome::Accepted);
                match (checked, outcome, document.end) {
                    (Err(error), ..) => {
                        let Finding(violation, what) = error.downcast()?;
                        report.add(violation, format!("{} of {}: {what}", document.id, document.project));
                    }
                    (Ok(true), Outcome::Unsure, _) => report.unsure.0 += 1,
                    (Ok(false), Outcome::Unsure, _) => report.unsure.1 += 1,
                    (Ok(_), _, EventKind::Indexed) => report.indexed += 1,
                    (Ok(_), _, EventKind::Superseded) => report.superseded += 1,
                    (Ok(_), _, EventKind::Deleted) => report.deleted += 1,
                    (Ok(_), ..) => report.dead_lettered += 1,
                }
            }
        }
        self.dead_letters(&mut report, sent);
        Ok(report)
    }

    /// Fails with a [`Finding`] if something is wrong with a document. Returns whether it is there.
    async fn document(&self, document: &Document, outcome: Outcome) -> Result<bool> {
        let Some(view) = self.view(&document.project, &document.id).await? else {
            let may_lack = document.end == EventKind::Deleted || outcome == Outcome::Unsure;
            ensure!(may_lack, Finding(Lost, "unknown".to_owned()));
            self.not_found(document).await?;
            return Ok(false);
        };
        let state = view["state"].as_str().unwrap_or_default();
        let expected = document.end.name();
        match state {
            "queued" | "processing" => bail!(Finding(Stuck, format!("still {state}"))),
            _ if state == expected => {}
            "failed" => bail!(Finding(Lost, format!("failed: {}", view["reason"]))),
            "indexed" if document.end == EventKind::Superseded => {
                bail!(Finding(Duplicated, "an old revision still answers".to_owned()));
            }
            _ => bail!(Finding(Wrong, format!("{state} instead of {expected}"))),
        }
        let has_event = self.stored.has_event(&document.project, &document.id, document.end);
        ensure!(has_event, Finding(Wrong, format!("there is no event that it is {expected}")));
        self.file(document).await?;
        match document.end {
            EventKind::Indexed => self.answers(document, &view).await?,
            EventKind::Failed if view["reason"].as_str().is_none_or(str::is_empty) => {
                bail!(Finding(Wrong, "failed without a reason".to_owned()));
            }
            _ => self.not_found(document).await?,
        }
        Ok(true)
    }

    /// Checks that the document has the expected number of passages, and that a search for each of its words
    /// finds the document exactly once.
    async fn answers(&self, document: &Document, view: &Value) -> Result<()> {
        let expected = match &document.sha256 {
            Some(sha256) if document.long => self.baseline.get(sha256).copied().unwrap_or_default(),
            _ => 1,
        };
        let stored = view["chunks"].as_i64().unwrap_or_default();
        if stored != expected {
            let violation = if stored > expected { Duplicated } else { Lost };
            bail!(Finding(violation, format!("{stored} passages instead of {expected}")));
        }
        for word in &document.words {
            let question = format!("clave de control {word}");
            let shown = format!("{question:?}");
            for (query, shown, mode) in [(word, word, "keyword"), (&question, &shown, "hybrid")] {
                let found = self.search(&document.project, query, mode).await?;
                match found.iter().filter(|id| *id == document.id.as_str()).count() {
                    // A hybrid search finds other documents too.
                    1 if found.len() == 1 || mode == "hybrid" => {}
                    0 => bail!(Finding(Lost, format!("not found by {shown}"))),
                    _ => bail!(Finding(Duplicated, format!("{shown} finds {found:?}"))),
                }
            }
        }
        Ok(())
    }

    /// Checks that the document is not found.
    async fn not_found(&self, document: &Document) -> Result<()> {
        for word in &document.words {
            let found = self.search(&document.project, word, "keyword").await?;
            ensure!(found.is_empty(), Finding(Duplicated, format!("still found by {word}: {found:?}")));
        }
        Ok(())
    }

    async fn import(&self, submission: &Submission) -> Result<()> {
        let name = format!("import {} of {}", submission.id, submission.project);
        let Some(view) = self.view(&submission.project, &submission.id).await? else {
            bail!(Finding(Lost, format!("{name} is unknown")));
        };
        let state = view["state"].as_str().unwrap_or_default();
        let (expected, reason, records) = (submission.records, &view["reason"], &view["records"]);
        let counted = |field: &str| records[field].as_u64().unwrap_or_default();
        match state {
            "queued" | "processing" => bail!(Finding(Stuck, format!("{name} is still {state}: {records}"))),
            "indexed" if Some((counted("total"), counted("failed"))) == expected => {
                let event = self.stored.has_event(&submission.project, &submission.id, EventKind::Indexed);
                ensure!(event, Finding(Wrong, format!("{name}: there is no event that it is indexed")));
                Ok(())
            }
            _ => bail!(Finding(
                Wrong,
                format!("{name} is {state} ({reason}): {records}, expected {expected:?}")
            )),
        }
    }

    /// Checks that the downloaded file has the content of the uploaded one.
    async fn file(&self, document: &Document) -> Result<()> {
        let Some(sha256) = &document.sha256 else { return Ok(()) };
        let answer = self.get(&format!("/document/{}/file", document.id), &document.project).await?;
        let status = answer.status();
        let same = format!("{:x}", Sha256::digest(answer.bytes().await?)) == *sha256;
        ensure!(same, Finding(Wrong, format!("its file is another one ({status})")));
        Ok(())
    }

    async fn view(&self, project: &ProjectId, id: &DocumentId) -> Result<Option<Value>> {
        let answer = self.get(&format!("/documents/{id}"), project).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let status = answer.status();
        ensure!(status.is_success(), "looking up {id}: {status} {}", answer.text().await?);
        Ok(Some(answer.json().await?))
    }

    async fn get(&self, path: &str, project: &ProjectId) -> Result<Response> {
        let url = format!("{}{path}", self.client.url);
        Ok(self.client.http.get(url).query(&[("project_id", project.as_str())]).send().await?)
    }

    async fn search(&self, project: &ProjectId, query: &str, mode: &str) -> Result<Vec<String>> {
        let body = json!({"query": query, "project_id": project, "top_k": 50, "mode": mode});
        let rows = self.client.search_with(body).await?;
        Ok(rows.iter().filter_map(|row| row["document_id"].as_str().map(str::to_owned)).collect())
    }

    /// Checks that each bad document has a dead letter, and no other document has one.
    fn dead_letters(&self, report: &mut Report, sent: &[(&Submission, Outcome)]) {
        let documents = || sent.iter().flat_map(|(submission, _)| &submission.documents);
        let bad = |document: &&Document| document.end == EventKind::Failed;
        for document in documents().filter(bad) {
            if !self.stored.dead.contains_key(&(document.project.clone(), document.id.clone())) {
                report.add(Wrong, format!("{} failed and has no dead letter", document.id));
            }
        }
        for ((project, id), reason) in &self.stored.dead {
            let is_bad = documents().filter(bad).any(|bad| bad.project == *project && bad.id == *id);
            if !is_bad {
                report.add(Wrong, format!("a dead letter of {id} of {project}: {reason}"));
            }
        }
    }
}
