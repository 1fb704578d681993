//! `acorag-ingest-worker dead-letters …`: an operator's commands for messages that failed for good.

use anyhow::bail;
use clap::{Args, Subcommand};

use super::Letters;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the dead letters, oldest first: number, time, attempts, subject, reason
    List,
    /// Queue the jobs of dead letters again, as if they were accepted now
    Requeue(Which),
    /// Remove dead letters; their documents stay failed
    Discard(Which),
}

#[derive(Debug, Args)]
#[group(required = true)]
pub struct Which {
    /// Numbers of the dead letters, as `list` shows them
    numbers: Vec<u64>,
    /// All dead letters
    #[arg(long, conflicts_with = "numbers")]
    all: bool,
}

impl Command {
    /// Runs the command and returns the text to print.
    pub async fn run(self, letters: &Letters) -> anyhow::Result<String> {
        match self {
            Self::List => list(letters).await,
            Self::Requeue(which) => requeue(letters, which).await,
            Self::Discard(which) => discard(letters, which).await,
        }
    }
}

async fn list(letters: &Letters) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut next = letters.after(0).await?;
    while let Some(letter) = next {
        let read = letter.read();
        text.push_str(&format!(
            "{}  {}  {} attempts  {}  {}: {}\n",
            read.facts.id,
            read.facts.died_at.format("%Y-%m-%d %H:%M:%S"),
            read.facts.attempts,
            read.facts.subject,
            read.reason.code,
            read.reason.message.en,
        ));
        next = letters.after(letter.number()).await?;
    }
    Ok(if text.is_empty() { "no dead letters\n".to_owned() } else { text })
}

async fn requeue(letters: &Letters, which: Which) -> anyhow::Result<String> {
    let (mut requeued, mut left) = (0, String::new());
    for number in chosen(letters, which).await? {
        // Somebody else may have settled it in the meantime.
        let Some(letter) = letters.get(number).await? else { continue };
        match letters.requeue(&letter).await? {
            true => requeued += 1,
            false => left.push_str(&format!("{number} is no job: left where it is\n")),
        }
    }
    Ok(format!("{left}{requeued} requeued\n"))
}

async fn discard(letters: &Letters, which: Which) -> anyhow::Result<String> {
    let mut discarded = 0;
    for number in chosen(letters, which).await? {
        letters.remove(number).await?;
        discarded += 1;
    }
    Ok(format!("{discarded} discarded\n"))
}

/// Returns the numbers of the chosen letters, because the letters may be too many for the memory. It is an error if a number does
/// not exist; the command then changes no letter.
async fn chosen(letters: &Letters, which: Which) -> anyhow::Result<Vec<u64>> {
    let mut chosen = which.numbers;
    for number in &chosen {
        if letters.get(*number).await?.is_none() {
            bail!("there is no dead letter {number}; `dead-letters list` shows what there is");
        }
    }
    if which.all {
        let mut last = 0;
        while let Some(letter) = letters.after(last).await? {
            last = letter.number();
            chosen.push(last);
        }
    }
    Ok(chosen)
}
