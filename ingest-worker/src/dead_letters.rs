//! `acorag-ingest-worker dead-letters …`: the operator's hand on what failed for good.

use std::ffi::OsString;

use anyhow::{Context as _, bail};
use async_nats::jetstream::{
    message::StreamMessage,
    stream::{LastRawMessageErrorKind, Stream},
};
use clap::{Args, Parser, Subcommand};
use platform::nats::{self, Nats};
use schemas::{
    headers,
    subjects::{self, JobKind},
};

/// Shows what failed for good, and gives it another try or up.
#[derive(Debug, Parser)]
#[command(version, name = "acorag-ingest-worker")]
pub struct Cli {
    #[command(flatten)]
    nats: nats::Config,
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Messages that failed for good
    #[command(subcommand)]
    DeadLetters(Command),
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show them, oldest first: number, time, attempts, subject, reason
    List,
    /// Queue their jobs again, as if each was accepted now
    Requeue(Which),
    /// Remove them; the documents stay failed
    Discard(Which),
}

#[derive(Debug, Args)]
#[group(required = true)]
struct Which {
    /// Their numbers, as `list` shows them
    numbers: Vec<u64>,
    /// All there are
    #[arg(long, conflicts_with = "numbers")]
    all: bool,
}

impl Cli {
    /// The command in this process's arguments; none when they start the worker.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let is_command = arguments.iter().skip(1).any(|argument| argument == "dead-letters");
        is_command.then(|| Self::parse_from(arguments))
    }

    /// Does it, and returns what to print.
    pub async fn run(self) -> anyhow::Result<String> {
        let Commands::DeadLetters(command) = self.command;
        let nats = self.nats.connect("acorag-dead-letters").await?;
        let letters = Letters::open(nats).await?;
        match command {
            Command::List => letters.list().await,
            Command::Requeue(which) => letters.requeue(which).await,
            Command::Discard(which) => letters.discard(which).await,
        }
    }
}

struct Letters {
    nats: Nats,
    stream: Stream<()>,
}

impl Letters {
    async fn open(nats: Nats) -> anyhow::Result<Self> {
        let stream = nats
            .jetstream
            .get_stream_no_info(subjects::DEAD_LETTERS_STREAM)
            .await
            .context("opening the dead letters: has acorag-migrate run?")?;
        Ok(Self { nats, stream })
    }

    async fn list(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        let mut next = self.after(0).await?;
        while let Some(letter) = next {
            let header = |name| nats::text(Some(&letter.headers), name).unwrap_or_default();
            text.push_str(&format!(
                "{}  {}  {} attempts  {}  {}\n",
                letter.sequence,
                letter.time.format("%Y-%m-%d %H:%M:%S"),
                header(headers::DEAD_ATTEMPTS),
                header(headers::DEAD_SUBJECT),
                header(headers::DEAD_REASON),
            ));
            next = self.after(letter.sequence).await?;
        }
        Ok(if text.is_empty() { "no dead letters\n".to_owned() } else { text })
    }

    async fn requeue(&self, which: Which) -> anyhow::Result<String> {
        let (mut requeued, mut left) = (0, String::new());
        for letter in self.chosen(which).await? {
            match self.queue(&letter).await? {
                true => requeued += 1,
                false => left.push_str(&format!("{} is no job: left where it is\n", letter.sequence)),
            }
        }
        Ok(format!("{left}{requeued} requeued\n"))
    }

    /// Whether it was a job. Cut short after publishing, it comes here again, and the job's second run changes nothing.
    async fn queue(&self, letter: &StreamMessage) -> anyhow::Result<bool> {
        let subject = nats::text(Some(&letter.headers), headers::DEAD_SUBJECT).unwrap_or_default();
        if !is_job(&subject, &letter.subject) {
            return Ok(false);
        }
        let map = nats::travelling(Some(&letter.headers));
        self.nats
            .publish_raw(subject, map, letter.payload.clone())
            .await
            .with_context(|| format!("queueing {} again", letter.sequence))?;
        self.remove(letter.sequence).await?;
        Ok(true)
    }

    async fn discard(&self, which: Which) -> anyhow::Result<String> {
        let mut discarded = 0;
        for letter in self.chosen(which).await? {
            self.remove(letter.sequence).await?;
            discarded += 1;
        }
        Ok(format!("{discarded} discarded\n"))
    }

    async fn remove(&self, number: u64) -> anyhow::Result<()> {
        self.stream.delete_message(number).await.with_context(|| format!("removing {number}"))?;
        Ok(())
    }

    /// The letters named. One that is not there stops everything before anything is done.
    async fn chosen(&self, which: Which) -> anyhow::Result<Vec<StreamMessage>> {
        let mut letters = Vec::new();
        if which.all {
            let mut next = self.after(0).await?;
            while let Some(letter) = next {
                next = self.after(letter.sequence).await?;
                letters.push(letter);
            }
        }
        for number in which.numbers {
            match self.after(number.saturating_sub(1)).await? {
                Some(letter) if letter.sequence == number => letters.push(letter),
                _ => bail!("there is no dead letter {number}; `dead-letters list` shows what there is"),
            }
        }
        Ok(letters)
    }

    /// The first letter after this number.
    async fn after(&self, number: u64) -> anyhow::Result<Option<StreamMessage>> {
        let next = self
            .stream
            .raw_message_builder()
            .sequence(number + 1)
            .next_by_subject(subjects::DEAD_LETTERS_ALL)
            .send()
            .await;
        match next {
            Ok(letter) => Ok(Some(letter)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error).context("reading the dead letters"),
        }
    }
}

/// Whether `subject` is a job's, of the kind whose consumer may write a letter there: who can write letters of queries
/// has no right to publish jobs.
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
