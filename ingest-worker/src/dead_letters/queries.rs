//! Answers the api's queries about dead letters, which it sends on behalf of an administrator.

use platform::nats::{Nats, serve::Router};
use schemas::{
    Problem, ProblemKind, Scope,
    dead_letter::{
        DeadLetters, DiscardDeadLetter, ListDeadLetters, RequeueDeadLetter, RequeueDeadLetters, Requeued,
        Settled,
    },
    messages::{answers, calls},
};

use super::{Letter, Letters};

/// Maximum number of letters that are read for one answer: those of other projects are skipped after a request each.
const LOOKED_AT: usize = 1_000;
/// Maximum number of letters that one query queues again: each is written to disk twice.
const REQUEUED: usize = 100;

pub fn router(nats: Nats) -> Router<Letters> {
    Router::new(nats.clone(), Letters(nats))
        .on(|letters, _, query| async move { list(&letters, query).await })
        .on(|letters, _, query| async move { requeue(&letters, query).await })
        .on(|letters, _, query| async move { requeue_all(&letters, query).await })
        .on(|letters, _, query| async move { discard(&letters, query).await })
}

async fn list(letters: &Letters, query: ListDeadLetters) -> Result<DeadLetters, Problem> {
    let most = usize::from(query.limit);
    let (found, next_cursor) = walk(letters, &query.scope, query.cursor.as_deref(), most).await?;
    Ok(DeadLetters { dead_letters: found.iter().map(Letter::read).collect(), next_cursor })
}

async fn requeue(letters: &Letters, query: RequeueDeadLetter) -> Result<Settled, Problem> {
    let letter = within(letters, &query.scope, query.id).await?;
    if !letters.requeue(&letter).await.map_err(unavailable)? {
        return Err(calls::not_a_job().problem(ProblemKind::Conflict));
    }
    Ok(Settled { status: "requeued".to_owned(), id: query.id })
}

/// Queues the jobs of the next letters in the scope again. Letters that are not jobs stay.
async fn requeue_all(letters: &Letters, query: RequeueDeadLetters) -> Result<Requeued, Problem> {
    let (found, next_cursor) = walk(letters, &query.scope, query.cursor.as_deref(), REQUEUED).await?;
    let mut requeued = 0;
    for letter in found {
        requeued += u32::from(letters.requeue(&letter).await.map_err(unavailable)?);
    }
    Ok(Requeued { requeued, next_cursor })
}

async fn discard(letters: &Letters, query: DiscardDeadLetter) -> Result<Settled, Problem> {
    within(letters, &query.scope, query.id).await?;
    letters.remove(query.id).await.map_err(unavailable)?;
    Ok(Settled { status: "discarded".to_owned(), id: query.id })
}

/// Returns the letter with this number; a letter outside the scope counts as not found.
async fn within(letters: &Letters, scope: &Scope, number: u64) -> Result<Letter, Problem> {
    let letter = letters.get(number).await.map_err(unavailable)?;
    letter.filter(|letter| letter.is_within(scope)).ok_or_else(Problem::not_found)
}

/// Returns the next letters in the scope, and the cursor of the next page unless the end is reached.
async fn walk(
    letters: &Letters,
    scope: &Scope,
    cursor: Option<&str>,
    most: usize,
) -> Result<(Vec<Letter>, Option<String>), Problem> {
    let start = cursor.map_or(Ok(0), str::parse::<u64>);
    let mut at = start.map_err(|_| answers::not_a_cursor().about("cursor"))?;
    let mut found = Vec::new();
    for _ in 0..LOOKED_AT {
        let Some(letter) = letters.after(at).await.map_err(unavailable)? else {
            return Ok((found, None));
        };
        if found.len() == most {
            break;
        }
        at = letter.number();
        if letter.is_within(scope) {
            found.push(letter);
        }
    }
    Ok((found, Some(at.to_string())))
}

fn unavailable(error: anyhow::Error) -> Problem {
    tracing::warn!(error = format!("{error:#}"), "dead letters");
    Problem::unavailable()
}
