//! Sends the submissions of the plan and records which were accepted.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Result, ensure};
use async_nats::{HeaderMap, jetstream};
use e2e::{Client, Upload};
use reqwest::StatusCode;
use schemas::{
    headers,
    subjects::{self, JobKind},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use crate::plan::{Content, Submission};

/// The result of sending a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    /// The sender got no acceptance. The submission may still be stored, because only the answer may be lost.
    Unsure,
}

/// The pause before a submission is sent again. It is short, so that many attempts meet a fault.
const AGAIN: Duration = Duration::from_millis(300);

pub struct Sender {
    client: Client,
    jetstream: jetstream::Context,
    /// Submissions that are not accepted by this time are an error.
    deadline: Instant,
    started: Instant,
    pub accepted: AtomicUsize,
    /// Attempts after a refusal or a lost answer.
    pub retries: AtomicUsize,
}

impl Sender {
    pub async fn new(client: Client, nats: &str, patience: Duration) -> Result<Self> {
        let nats = async_nats::ConnectOptions::new()
            .name("acorag-chaos")
            .request_timeout(Some(Duration::from_secs(5)))
            .connect(nats)
            .await?;
        Ok(Self {
            client,
            jetstream: jetstream::new(nats),
            deadline: Instant::now() + patience,
            started: Instant::now(),
            accepted: AtomicUsize::default(),
            retries: AtomicUsize::default(),
        })
    }

    /// Sends a submission at its planned time and as often as planned. A send that is refused is repeated
    /// until it is accepted.
    pub async fn submit(&self, submission: &Submission) -> Result<Outcome> {
        sleep_until(self.started + submission.at).await;
        if submission.gives_up {
            let sent = self.attempt(submission).await;
            return Ok(sent.map_or(Outcome::Unsure, |()| Outcome::Accepted));
        }
        if submission.pause.is_zero() {
            let sends = (0..submission.sends).map(|_| self.until_accepted(submission));
            futures::future::try_join_all(sends).await?;
        } else {
            for send in 0..submission.sends {
                self.until_accepted(submission).await?;
                sleep(if send + 1 < submission.sends { submission.pause } else { Duration::ZERO }).await;
            }
        }
        if let Some(after) = submission.deleted_after {
            sleep(after).await;
            let delete = || self.publish(submission, JobKind::Delete, json!({}), false);
            self.repeat("deleting", delete).await?;
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Ok(Outcome::Accepted)
    }

    async fn until_accepted(&self, submission: &Submission) -> Result<()> {
        let what = format!("sending {} ({})", submission.id, submission.project);
        self.repeat(&what, || self.attempt(submission)).await
    }

    async fn repeat<F: Future<Output = Result<()>>>(
        &self,
        what: &str,
        attempt: impl Fn() -> F,
    ) -> Result<()> {
        loop {
            let Err(error) = attempt().await else { return Ok(()) };
            // No fault causes a permanent refusal, so another attempt would be refused too.
            if error.is::<Refused>() {
                return Err(error.context(what.to_owned()));
            }
            if Instant::now() > self.deadline {
                return Err(error.context(format!("{what} was not accepted to the end")));
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            sleep(AGAIN).await;
        }
    }

    /// Sends once. After an error the submission may still have been accepted, because perhaps only the answer was
    /// lost.
    async fn attempt(&self, submission: &Submission) -> Result<()> {
        match &submission.content {
            Content::Upload(upload) => self.upload(submission, upload.clone()).await,
            Content::Message { job, with_id } => {
                self.publish(submission, JobKind::Document, job.clone(), *with_id).await
            }
            Content::Object(Upload { filename, bytes, metadata }) => {
                // Each attempt sends the file under a new id, so that the parts of an interrupted attempt are
                // not under the id of a complete file.
                let file = e2e::producer::send_file(&self.jetstream, &submission.project, bytes).await?;
                let job = json!({"file": file, "filename": filename, "metadata": metadata});
                self.publish(submission, JobKind::Document, job, false).await
            }
        }
    }

    async fn upload(&self, submission: &Submission, upload: Upload) -> Result<()> {
        let answer = self.client.try_upload(upload, "").await?;
        let (status, body) = (answer.status(), answer.text().await?);
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            return Err(Refused(format!("{status} {body}")).into());
        }
        ensure!(status == StatusCode::ACCEPTED, "{status} {body}");
        let body: Value = serde_json::from_str(&body)?;
        if body["data"]["document_id"] != submission.id.as_str() {
            return Err(Refused(format!("expected the id {}: {body}", submission.id)).into());
        }
        Ok(())
    }

    async fn publish(&self, submission: &Submission, kind: JobKind, job: Value, with_id: bool) -> Result<()> {
        let mut map = HeaderMap::new();
        if with_id {
            map.insert(headers::MESSAGE_ID, format!("chaos:{}", submission.id).as_str());
        }
        let subject = subjects::job(kind, &submission.project, &submission.id);
        let sent = self.jetstream.publish_with_headers(subject, map, job.to_string().into()).await?;
        let stream = sent.await?.stream;
        ensure!(stream == subjects::INGEST_STREAM, "acknowledged by {stream}");
        Ok(())
    }
}

/// A refusal that another attempt would not change.
#[derive(Debug, thiserror::Error)]
#[error("refused: {0}")]
struct Refused(String);
