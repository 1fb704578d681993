//! Indexes small records of imports together: their transactions and checks cost hardly more for a few of them than for one.
//!
//! Only a first attempt is made together. What fails comes again alone, so that a bad record fails no other one.

use std::collections::HashMap;

use documents::{Job, WithWords, start::Start};
use futures::future::{join_all, try_join_all};
use platform::nats::consume::{Delivery, Failure};
use reader::Extracted;
use schemas::{
    DocumentId, ProjectId,
    ingest::{Parent, Source},
};

use super::{Ending, Jobs, Outcome, announce, document, import, is_time_to_tidy, read};
use crate::progress::Progress;

/// Maximum number of records that are indexed together.
const MOST: usize = 8;
/// The same while fewer than `LONG` records wait, so that other workers find some.
const FEW: usize = 4;
const LONG: u64 = 32;
/// Maximum length of the text of a record that is indexed together with others, in bytes. A longer one takes long, and eight
/// of them in each slot would fill the model's queue (`EMBED_QUEUE`).
const SMALL: usize = 8 * 1024;

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

struct Record<'a> {
    /// The position of its delivery.
    at: usize,
    delivery: &'a Delivery,
    job: Job,
    progress: Progress,
}

/// Indexes the records that can be indexed together; returns the outcomes of their deliveries, and `None` for the others.
pub async fn index(jobs: &Jobs, deliveries: &[Delivery]) -> Vec<Option<Result<(), Failure>>> {
    let mut groups: HashMap<(ProjectId, ProjectId, DocumentId), Vec<Record>> = HashMap::new();
    for (at, delivery) in deliveries.iter().enumerate() {
        if let Some(job) = small(delivery)
            && let Some(Parent { project_id, document_id, .. }) = &job.body.parent
        {
            let group =
                groups.entry((job.project.clone(), project_id.clone(), document_id.clone())).or_default();
            // Of two jobs of one document, the second is processed when the first is done.
            if group.iter().all(|other| other.job.document != job.document) {
                let progress = jobs.progress(delivery, &job);
                group.push(Record { at, delivery, job, progress });
            }
        }
    }
    let mut results = vec![None; deliveries.len()];
    for mut group in groups.into_values().filter(|group| group.len() > 1) {
        // In a fixed order, so that such transactions do not deadlock with each other.
        group.sort_by(|a, b| a.job.document.as_str().cmp(b.job.document.as_str()));
        let outcomes = match index_group(jobs, &group).await {
            Ok(outcomes) => outcomes,
            Err(failure) => group.iter().map(|_| Err(failure.clone())).collect(),
        };
        for (record, outcome) in group.iter().zip(outcomes) {
            jobs.ended(&record.job, &outcome, &record.progress).await;
            jobs.count(&outcome);
            results[record.at] = Some(outcome.map(drop));
        }
        if let Some(record) = group.iter().find(|record| is_time_to_tidy(record.delivery)) {
            jobs.tidy(record.delivery).await;
        }
    }
    results
}

/// Indexes records of one project and one import. An error is that of all of them.
async fn index_group(jobs: &Jobs, group: &[Record<'_>]) -> Result<Vec<Result<Ending, Failure>>, Failure> {
    let app = &jobs.app;
    try_join_all(group.iter().map(|record| announce(record.delivery, &record.job, &record.progress))).await?;
    let all: Vec<&Job> = group.iter().map(|record| &record.job).collect();
    let starts = documents::start::start_all(&app.pool, &all).await?;
    let contents = join_all(group.iter().zip(starts).map(async |(record, start)| {
        if start == Start::GoAfterMail {
            // When it comes again alone, the mail's attachments are deleted.
            return Err(Err(Failure::Wait("it takes the place of a mail".to_owned())));
        }
        match document::started(start) {
            Some(ended) => Err(ended),
            None => content(jobs, record).await.map_err(Err),
        }
    }))
    .await;
    let ready = group.iter().zip(&contents);
    let ready: Vec<(&Job, &WithWords)> =
        ready.filter_map(|(record, content)| Some((&record.job, content.as_ref().ok()?))).collect();
    let mut committed = document::store(app, &ready).await?.into_iter();
    let outcomes: Vec<Result<Outcome, Failure>> = contents
        .into_iter()
        .map(|content| match content {
            Ok(_) => Ok(document::stored(committed.next().flatten())),
            Err(ended) => ended,
        })
        .collect();
    let publishing = group.iter().zip(&outcomes).map(async |(record, outcome)| match outcome {
        Ok(outcome) => {
            jobs.publish(record.delivery, &record.job, &record.progress, outcome).await?;
            Ok(Ending::Done)
        }
        Err(failure) => Err(failure.clone()),
    });
    let endings = join_all(publishing).await;
    let imports = group.iter().zip(&outcomes);
    let mut imports = imports.filter_map(|(record, outcome)| import::of(&record.job, outcome.as_ref().ok()?));
    if let Some(mut import) = imports.next() {
        import.ended.extend(imports.flat_map(|import| import.ended));
        import::close(app, group[0].delivery, import).await?;
    }
    Ok(endings)
}

async fn content(jobs: &Jobs, Record { job, progress, .. }: &Record<'_>) -> Result<WithWords, Failure> {
    let Source::Text(text) = &job.body.source else { return Err(Failure::internal()) };
    document::content(jobs, job, progress, &Extracted::from_text(text), job.object()).await
}
