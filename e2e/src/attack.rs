//! What an event producer can try with the rights that `ops/nats/nats.conf` gives it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::{HeaderMap, jetstream};
use bytes::Bytes;
use schemas::{
    DocumentId, ProjectId,
    subjects::{self, JobKind},
};
use serde_json::{Value, json};

use crate::{accounts::password, producer::send_file};

/// NATS does not answer a message that it refuses, so a missing answer after this time counts as a refusal.
const REFUSED_AFTER: Duration = Duration::from_secs(2);

/// An event producer that attacks. `project` is its own project.
pub struct Attacker {
    pub jetstream: jetstream::Context,
    pub project: ProjectId,
}

/// A job that the attacker may publish, and the reason code with which it must fail.
pub struct Job {
    pub document: DocumentId,
    pub body: Value,
    pub fails_by: &'static str,
}

impl Attacker {
    pub async fn connect(nats_url: &str, project: ProjectId) -> Result<Self> {
        let user =
            async_nats::ConnectOptions::with_user_and_password("producer".into(), password("producer"));
        let user = user.custom_inbox_prefix("_INBOX_producer").connect(nats_url).await?;
        let mut jetstream = jetstream::new(user);
        jetstream.set_timeout(REFUSED_AFTER);
        Ok(Self { jetstream, project })
    }

    /// Publishes a message and returns its sequence; `None` if JetStream did not accept it.
    pub async fn publish(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        payload: impl Into<Bytes>,
    ) -> Result<Option<u64>> {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.insert(*name, *value));
        let sent = self.jetstream.publish_with_headers(subject.to_owned(), map, payload.into()).await?;
        let answer = tokio::time::timeout(REFUSED_AFTER, sent).await;
        Ok(answer.ok().and_then(Result::ok).map(|ack| ack.sequence))
    }

    pub fn job_subject(&self, document: &str) -> Result<String> {
        Ok(subjects::job(JobKind::Document, &self.project, &document.parse()?))
    }

    /// Tries to write into the object store: descriptions with a wildcard, with a path, with the parts of another
    /// object or with a link to itself, and headers that remove everything. Returns the accepted messages; there should
    /// be none.
    pub async fn forge_objects(&self, known_version: &str) -> Result<Vec<String>> {
        let described = |nuid: &str| {
            json!({"name": "x", "bucket": subjects::FILES_BUCKET, "nuid": nuid, "size": 1_000_000_000_000_u64,
                   "chunks": 1, "mtime": "2020-01-01T00:00:00Z",
                   "options": {"link": {"bucket": subjects::FILES_BUCKET, "name": "x"}}})
            .to_string()
        };
        let mut tried = Vec::new();
        for nuid in [">", "../../wal/000000010000000000000001", known_version] {
            tried.push(("$O.FILES.M.eA==".to_owned(), None, described(nuid)));
        }
        let parts = format!("acorag.v1.file.{}.rollup", self.project.token());
        for subject in
            ["$O.FILES.M.eA==".to_owned(), "$O.FILES.C.x".to_owned(), self.job_subject("rollup")?, parts]
        {
            tried.push((subject, Some(("Nats-Rollup", "all")), "{}".to_owned()));
        }
        let tries = tried.into_iter().map(|(subject, header, body)| async move {
            let headers: Vec<_> = header.into_iter().collect();
            let accepted = self.publish(&subject, &headers, body.clone()).await?;
            Ok::<_, anyhow::Error>(accepted.map(|_| format!("{subject} {headers:?} {body}")))
        });
        Ok(futures::future::try_join_all(tries).await?.into_iter().flatten().collect())
    }

    /// Returns jobs that name objects that others stored, or files that differ from their declared size and
    /// hash. `known` are existing objects; `round` makes the document ids unique.
    pub async fn bad_jobs(&self, known: &[&str], other: &ProjectId, round: usize) -> Result<Vec<Job>> {
        let job = |name: &str, mut body: Value, fails_by| {
            body["filename"] = json!("a.txt");
            let document = format!("{name}-{round}").parse().context("an id")?;
            Ok::<_, anyhow::Error>(Job { document, body, fails_by })
        };
        let mut jobs = Vec::new();
        for (number, object) in known.iter().enumerate() {
            jobs.push(job(&format!("objeto-{number}"), json!({"object": {"name": object}}), "invalid_job")?);
        }
        let parent = json!({"project_id": other, "document_id": "x", "index": 0, "depth": 0});
        jobs.push(job("padre", json!({"text": "x", "parent": parent}), "invalid_job")?);
        jobs.push(job("ambito", json!({"text": "x", "record_scope": "all"}), "invalid_job")?);
        let wildcard = json!({"id": ">", "size": 1, "sha256": "ab".repeat(32)});
        jobs.push(job("comodin", json!({"file": wildcard}), "invalid_job")?);
        // A file that another producer sent for another project.
        let theirs = send_file(&self.jetstream, other, b"Un presupuesto ajeno.").await?;
        jobs.push(job("robado", json!({"file": theirs}), "file_missing")?);
        // Files that are shorter or longer than declared and have another hash.
        for (name, size) in [("corto", 8), ("largo", 90_000_000)] {
            let sent = send_file(&self.jetstream, &self.project, b"Una losa.").await?;
            let forged = json!({"id": sent.id, "size": size, "sha256": "ab".repeat(32)});
            jobs.push(job(name, json!({"file": forged}), "wrong_hash")?);
        }
        Ok(jobs)
    }

    pub async fn send(&self, job: &Job) -> Result<()> {
        let subject = subjects::job(JobKind::Document, &self.project, &job.document);
        self.publish(&subject, &[], job.body.to_string()).await?.context("a producer may publish jobs")?;
        Ok(())
    }

    /// Sends invalid jobs with headers that are commands to JetStream. If a worker copied these headers into
    /// the dead letter, JetStream would refuse it.
    pub async fn send_commands(&self, round: usize) -> Result<()> {
        for (name, value) in [("Nats-Expected-Stream", "INGEST"), ("Nats-Expected-Last-Msg-Id", "")] {
            self.publish(&self.job_subject(&format!("{name}-{round}"))?, &[(name, value)], "{}").await?;
        }
        Ok(())
    }

    /// Publishes under guessed message ids (sequence and index of a job), so that the stream would drop the later
    /// messages of workers as duplicates if they used such ids.
    pub async fn take_message_ids(&self, round: usize) -> Result<()> {
        let noise = async |name: &str, headers: &[(&str, &str)]| {
            let subject = self.job_subject(&format!("ruido-{round}-{name}"))?;
            self.publish(&subject, headers, json!({"text": "Ruido."}).to_string()).await
        };
        let last = noise("0", &[]).await?.context("a producer may publish jobs")?;
        for ahead in 20..26_u64 {
            for index in 0..2 {
                let id = format!("{}:{index}", last + ahead);
                noise(&format!("{ahead}-{index}"), &[("Nats-Msg-Id", &id)]).await?;
            }
        }
        while noise("relleno", &[]).await?.is_some_and(|at| at < last + 20) {}
        Ok(())
    }
}
