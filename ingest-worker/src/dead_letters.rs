//! Messages that failed for good: what the operator's command and the handlers of the api's queries do with them.

pub mod commands;
mod queries;

pub use queries::router;

use anyhow::Context as _;
use platform::nats::{self, Nats, stored::Stored};
use schemas::{
    DocumentId, Message, ProjectId, Scope,
    dead_letter::{Cause, DeadLetter, Facts},
    headers,
    problem::Reason,
    subjects::{self, JobKind},
};

/// The dead letters of all streams.
#[derive(Clone)]
pub struct Letters(pub Nats);

impl Letters {
    /// Returns the first letter after this number.
    pub async fn after(&self, number: u64) -> anyhow::Result<Option<Letter>> {
        let (stream, from) = (subjects::DEAD_LETTERS_STREAM, number.saturating_add(1));
        let next = self.0.first_stored(stream, subjects::DEAD_LETTERS_ALL, from).await;
        Ok(next.context("reading the dead letters")?.map(Letter))
    }

    pub async fn get(&self, number: u64) -> anyhow::Result<Option<Letter>> {
        let next = self.after(number.saturating_sub(1)).await?;
        Ok(next.filter(|letter| letter.number() == number))
    }

    /// Queues the letter's job again and removes the letter; returns false if the message is not a job. If it is
    /// interrupted in between, the letter can be requeued once more, and the second run of the job changes nothing.
    pub async fn requeue(&self, letter: &Letter) -> anyhow::Result<bool> {
        if letter.job().is_none() {
            return Ok(false);
        }
        let map = nats::travelling(letter.0.headers.as_ref());
        self.0
            .publish_raw(letter.subject(), map, letter.0.payload.clone())
            .await
            .with_context(|| format!("queueing {} again", letter.number()))?;
        self.remove(letter.number()).await?;
        Ok(true)
    }

    pub async fn remove(&self, number: u64) -> anyhow::Result<()> {
        let stream = self.0.jetstream.get_stream_no_info(subjects::DEAD_LETTERS_STREAM).await?;
        stream.delete_message(number).await.with_context(|| format!("removing {number}"))?;
        Ok(())
    }
}

/// A message that failed for good.
pub struct Letter(Stored);

impl Letter {
    pub fn number(&self) -> u64 {
        self.0.sequence
    }

    /// The subject of the message that failed.
    pub fn subject(&self) -> String {
        self.header(headers::DEAD_SUBJECT)
    }

    /// The project and document of the failed job; `None` if the message is not a job and cannot be queued again.
    pub fn job(&self) -> Option<(ProjectId, DocumentId)> {
        let subject = self.subject();
        is_job(&subject, &self.0.subject).then(|| subjects::parse_job(&subject).ok()).flatten()
    }

    /// Whether a caller with this scope may see the letter.
    pub fn is_within(&self, scope: &Scope) -> bool {
        *scope == Scope::All || self.job().is_some_and(|(project, _)| scope.allows(&project))
    }

    pub fn read(&self) -> DeadLetter {
        let (project_id, document_id) = self.job().unzip();
        let reason = self.header(headers::DEAD_REASON);
        let (code, english) = reason.split_once(": ").unwrap_or(("", &reason));
        // A letter of an earlier release has its reason in one language only.
        let spanish = Some(self.header(headers::DEAD_REASON_ES)).filter(|spanish| !spanish.is_empty());
        DeadLetter {
            facts: Facts {
                id: self.number(),
                died_at: self.0.time,
                attempts: self.header(headers::DEAD_ATTEMPTS).parse().unwrap_or_default(),
                cause: Cause::of(code),
                project_id,
                document_id,
                subject: self.subject(),
            },
            reason: Reason {
                code: code.to_owned(),
                message: Message {
                    es: spanish.unwrap_or_else(|| english.to_owned()),
                    en: english.to_owned(),
                },
            },
        }
    }

    fn header(&self, name: &str) -> String {
        nats::text(self.0.headers.as_ref(), name).unwrap_or_default()
    }
}

/// Whether `subject` is a job's subject, and `letter` that of dead letters for jobs of this kind. Otherwise a
/// service that may only write the dead letters of queries could have a message of its own queued as a job.
fn is_job(subject: &str, letter: &str) -> bool {
    subjects::parse_job(subject).is_ok()
        && JobKind::ALL.into_iter().any(|kind| {
            kind.filters().iter().any(|filter| subject.starts_with(filter.trim_end_matches(['*', '.'])))
                && letter == subjects::dead_letter(&subjects::ingest_consumer(kind))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_of_another_kind_is_no_job() {
        let deletion = "acorag.v1.ingest.delete.p.d";
        assert!(is_job(deletion, "acorag.v1.dlq.ingest-delete"));
        assert!(!is_job(deletion, "acorag.v1.dlq.query-search"));
        assert!(!is_job(deletion, "acorag.v1.dlq.ingest-document"));
        assert!(!is_job("acorag.v1.query.search.documents", "acorag.v1.dlq.ingest-document"));
    }
}
