//! Checks that every accepted document has the expected state, and that nothing else is stored.

mod stored;

use std::collections::HashMap;

use anyhow::{Result, ensure};
use e2e::Client;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Response, StatusCode};
use schemas::{DocumentId, ProjectId, event::EventKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    plan::{Document, End, Submission},
    report::{Report, Violation},
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

type Finding = Result<Option<(Violation, String)>>;

impl Check {
    pub async fn run(&self, sent: &[(&Submission, Outcome)]) -> Result<Report> {
        let mut report = Report::default();
        for (violation, what) in &self.stored.violations {
            report.add(*violation, what.clone());
        }
        for (submission, outcome) in sent {
            if submission.records.is_some() {
                report.accepted += 1;
                match self.import(submission).await? {
                    None => report.indexed += 1,
                    Some((violation, what)) => report.add(violation, what),
                }
            }
            let documents: Vec<_> = stream::iter(&submission.documents)
                .map(|document| async move {
                    Ok::<_, anyhow::Error>((document, self.document(document, *outcome).await?))
                })
                .buffered(CONCURRENT)
                .try_collect()
                .await?;
            for (document, finding) in documents {
                self.count(&mut report, document, *outcome, finding).await?;
            }
        }
        self.dead_letters(&mut report, sent);
        Ok(report)
    }

    async fn count(
        &self,
        report: &mut Report,
        document: &Document,
        outcome: Outcome,
        finding: Option<(Violation, String)>,
    ) -> Result<()> {
        if outcome == Outcome::Accepted {
            report.accepted += 1;
        }
        if let Some((violation, what)) = finding {
            report.add(violation, format!("{} of {}: {what}", document.id, document.project));
            return Ok(());
        }
        if outcome == Outcome::Unsure {
            match self.view(&document.project, &document.id).await? {
                Some(_) => report.unsure.0 += 1,
                None => report.unsure.1 += 1,
            }
            return Ok(());
        }
        match document.end {
            End::Indexed => report.indexed += 1,
            End::Superseded => report.superseded += 1,
            End::Deleted => report.deleted += 1,
            End::Fails => report.dead_lettered += 1,
        }
        Ok(())
    }

    /// Returns what is wrong with a document, if anything is.
    async fn document(&self, document: &Document, outcome: Outcome) -> Finding {
        let violation = |violation, what: String| Ok(Some((violation, what)));
        let view = self.view(&document.project, &document.id).await?;
        let Some(view) = view else {
            return match (document.end, outcome) {
                (End::Deleted, _) | (_, Outcome::Unsure) => self.not_found(document).await,
                _ => violation(Violation::Lost, "unknown".to_owned()),
            };
        };
        let state = view["state"].as_str().unwrap_or_default();
        let expected = document.end.event().name();
        match state {
            "queued" | "processing" => return violation(Violation::Stuck, format!("still {state}")),
            _ if state == expected => {}
            "failed" => return violation(Violation::Lost, format!("failed: {}", view["reason"])),
            "indexed" if document.end == End::Superseded => {
                return violation(Violation::Duplicated, "an old revision still answers".to_owned());
            }
            _ => return violation(Violation::Wrong, format!("{state} instead of {expected}")),
        }
        if !self.stored.has_event(&document.project, &document.id, document.end.event()) {
            return violation(Violation::Wrong, format!("there is no event that it is {expected}"));
        }
        if let Some(wrong) = self.file(document).await? {
            return violation(Violation::Wrong, wrong);
        }
        match document.end {
            End::Indexed => self.answers(document, &view).await,
            End::Fails if view["reason"].as_str().is_none_or(str::is_empty) => {
                violation(Violation::Wrong, "failed without a reason".to_owned())
            }
            _ => self.not_found(document).await,
        }
    }

    /// Checks that the document has the expected number of passages, and that a search for each of its words
    /// finds the document exactly once.
    async fn answers(&self, document: &Document, view: &Value) -> Finding {
        let expected = match &document.sha256 {
            Some(sha256) if document.long => self.baseline.get(sha256).copied().unwrap_or_default(),
            _ => 1,
        };
        let stored = view["chunks"].as_i64().unwrap_or_default();
        if stored != expected {
            let violation = if stored > expected { Violation::Duplicated } else { Violation::Lost };
            return Ok(Some((violation, format!("{stored} passages instead of {expected}"))));
        }
        for word in &document.words {
            let question = format!("clave de control {word}");
            let shown = format!("{question:?}");
            for (query, shown, mode) in [(word, word, "keyword"), (&question, &shown, "hybrid")] {
                let found = self.search(&document.project, query, mode).await?;
                match found.iter().filter(|id| *id == document.id.as_str()).count() {
                    // A hybrid search finds other documents too.
                    1 if found.len() == 1 || mode == "hybrid" => {}
                    0 => return Ok(Some((Violation::Lost, format!("not found by {shown}")))),
                    _ => return Ok(Some((Violation::Duplicated, format!("{shown} finds {found:?}")))),
                }
            }
        }
        Ok(None)
    }

    /// Checks that the document is not found.
    async fn not_found(&self, document: &Document) -> Finding {
        for word in &document.words {
            let found = self.search(&document.project, word, "keyword").await?;
            if !found.is_empty() {
                return Ok(Some((Violation::Duplicated, format!("still found by {word}: {found:?}"))));
            }
        }
        Ok(None)
    }

    async fn import(&self, submission: &Submission) -> Finding {
        let name = format!("import {} of {}", submission.id, submission.project);
        let Some(view) = self.view(&submission.project, &submission.id).await? else {
            return Ok(Some((Violation::Lost, format!("{name} is unknown"))));
        };
        let state = view["state"].as_str().unwrap_or_default();
        let (expected, reason, records) = (submission.records, &view["reason"], &view["records"]);
        let counted = |field: &str| records[field].as_u64().unwrap_or_default();
        let (violation, what) = match state {
            "queued" | "processing" => (Violation::Stuck, format!("{name} is still {state}: {records}")),
            "indexed" if Some((counted("total"), counted("failed"))) == expected => {
                if self.stored.has_event(&submission.project, &submission.id, EventKind::Indexed) {
                    return Ok(None);
                }
                (Violation::Wrong, format!("{name}: there is no event that it is indexed"))
            }
            _ => {
                (Violation::Wrong, format!("{name} is {state} ({reason}): {records}, expected {expected:?}"))
            }
        };
        Ok(Some((violation, what)))
    }

    /// Checks that the downloaded file has the content of the uploaded one.
    async fn file(&self, document: &Document) -> Result<Option<String>> {
        let Some(sha256) = &document.sha256 else { return Ok(None) };
        let answer = self.get(&format!("/document/{}/file", document.id), &document.project).await?;
        let status = answer.status();
        let same = format!("{:x}", Sha256::digest(answer.bytes().await?)) == *sha256;
        Ok((!same).then(|| format!("its file is another one ({status})")))
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
        let bad = |document: &&Document| document.end == End::Fails;
        for document in documents().filter(bad) {
            if !self.stored.dead.contains_key(&(document.project.clone(), document.id.clone())) {
                report.add(Violation::Wrong, format!("{} failed and has no dead letter", document.id));
            }
        }
        for ((project, id), reason) in &self.stored.dead {
            let is_bad = documents().filter(bad).any(|bad| bad.project == *project && bad.id == *id);
            if !is_bad {
                report.add(Violation::Wrong, format!("a dead letter of {id} of {project}: {reason}"));
            }
        }
    }
}
