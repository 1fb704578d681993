//! Indexes small records of imports together: their transactions and checks cost hardly more for a few of them than for one.
//!
//! Only a first attempt is made together. What fails comes again alone, so that a bad record fails no other one.

use std::collections::HashMap;

use documents::{Job, WithWords, start::Start};
use futures::future::join_all;
use platform::nats::consume::{Delivery, Failure};
use reader::Extracted;
use schemas::ingest::{Parent, Source};

use super::{Attempt, Ending, Jobs, Outcome, document, import, is_time_to_tidy, read};

/// Maximum number of records that are indexed together.
const MOST: usize = 16;
/// The same while fewer than `LONG` records wait, so that other workers find some.
const FEW: usize = 4;
const LONG: u64 = 32;
/// Maximum length of the text of a record that is indexed together with others, in bytes. A longer one takes long, and so many
/// of them in each slot would fill the model's queue (`EMBED_QUEUE`).
const SMALL: usize = 4 * 1024;

/// Returns how many jobs may be taken together, of which this is the first. An attachment of a mail is taken alone: it may
/// take minutes, and other slots may be free for what follows it.
pub fn together(first: &Delivery) -> usize {
    match small(first) {
        None => 1,
        Some(_) if first.pending < LONG => FEW,
        Some(_) => MOST,
    }
}

/// Returns the job of a record that can be indexed together with others.
fn small(delivery: &Delivery) -> Option<Job> {
    let job = read(delivery).ok().filter(|_| delivery.attempt == 1)?;
    matches!(&job.body.source, Source::Text(text) if text.len() <= SMALL).then_some(job)
}

/// Indexes the records that can be indexed together; returns the outcomes of their deliveries, and `None` for the others.
pub async fn index(jobs: &Jobs, deliveries: &[Delivery]) -> Vec<Option<Result<(), Failure>>> {
    // By project and import: each record with the position of its delivery.
    let mut groups: HashMap<_, Vec<(usize, Attempt)>> = HashMap::new();
    for (at, delivery) in deliveries.iter().enumerate() {
        if let Some(job) = small(delivery)
            && let Some(Parent { project_id, document_id, .. }) = &job.body.parent
        {
            let group =
                groups.entry((job.project.clone(), project_id.clone(), document_id.clone())).or_default();
            // Of two jobs of one document, the second is processed when the first is done.
            if group.iter().all(|(_, other)| other.job.document != job.document) {
                group.push((at, Attempt::new(jobs, delivery, job)));
            }
        }
    }
    let mut results = vec![None; deliveries.len()];
    for mut group in groups.into_values().filter(|group| group.len() > 1) {
        // In a fixed order, so that such transactions do not deadlock with each other.
        group.sort_by(|(_, a), (_, b)| a.job.document.as_str().cmp(b.job.document.as_str()));
        let outcomes = match index_group(&group).await {
            Ok(outcomes) => outcomes,
            Err(failure) => group.iter().map(|_| Err(failure.clone())).collect(),
        };
        for ((at, attempt), outcome) in group.iter().zip(outcomes) {
            attempt.ended(&outcome).await;
            jobs.count(&outcome);
            results[*at] = Some(outcome.map(drop));
        }
        if let Some((_, attempt)) = group.iter().find(|(_, attempt)| is_time_to_tidy(attempt.delivery)) {
            jobs.tidy(attempt.delivery).await;
        }
    }
    results
}

/// Indexes records of one project and one import. An error is that of all of them.
async fn index_group(group: &[(usize, Attempt<'_>)]) -> Result<Vec<Result<Ending, Failure>>, Failure> {
    let first = &group[0].1;
    let app = &first.jobs.app;
    let all: Vec<&Job> = group.iter().map(|(_, attempt)| &attempt.job).collect();
    let starts = documents::start::start_all(&app.pool, &all).await?;
    let contents = join_all(group.iter().zip(starts).map(async |((_, attempt), start)| {
        if start == Start::GoAfterMail {
            // When it comes again alone, the mail's attachments are deleted.
            return Err(Err(Failure::Wait("it takes the place of a mail".to_owned())));
        }
        match document::started(start) {
            Some(ended) => Err(ended),
            None => content(attempt).await.map_err(Err),
        }
    }))
    .await;
    let ready = group.iter().zip(&contents);
    let ready: Vec<(&Job, &WithWords)> =
        ready.filter_map(|((_, attempt), content)| Some((&attempt.job, content.as_ref().ok()?))).collect();
    let mut committed = document::store(app, &ready).await?.into_iter();
    let outcomes: Vec<Result<Outcome, Failure>> = contents
        .into_iter()
        .map(|content| match content {
            Ok(_) => Ok(document::stored(committed.next().flatten())),
            Err(ended) => ended,
        })
        .collect();
    let publishing = group.iter().zip(&outcomes).map(async |((_, attempt), outcome)| match outcome {
        Ok(outcome) => attempt.publish(outcome).await.map(|()| Ending::Done),
        Err(failure) => Err(failure.clone()),
    });
    let endings = join_all(publishing).await;
    let imports = group.iter().zip(&outcomes);
    let mut imports =
        imports.filter_map(|((_, attempt), outcome)| import::of(&attempt.job, outcome.as_ref().ok()?));
    if let Some(mut import) = imports.next() {
        import.ended.extend(imports.flat_map(|import| import.ended));
        import::close(first, import).await?;
    }
    Ok(endings)
}

async fn content(attempt: &Attempt<'_>) -> Result<WithWords, Failure> {
    let Source::Text(text) = &attempt.job.body.source else { return Err(Failure::internal()) };
    document::content(attempt, Extracted::from_text(text), attempt.job.object()).await
}
