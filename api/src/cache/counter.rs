//! Counts the searches that the cache answered: no worker sees them, but they count for the popular searches too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use platform::{
    lock::lock,
    nats::{Context, request::Requester},
};
use schemas::{
    ProjectId,
    analytics::{ReportSearches, SearchSeen},
};
use tokio_util::sync::CancellationToken;

/// Maximum number of different searches between two reports; further ones are not counted.
const MOST: usize = 1_000;
const EVERY: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);
/// Maximum number of searches in one message.
const BATCH: usize = 100;
/// Maximum size of the searches in one message, in bytes: NATS sends no message above 1 MiB, and a search can have
/// hundreds of projects.
const BATCH_BYTES: usize = 900_000;

#[derive(Clone, Default)]
pub struct Counter(Arc<Mutex<HashMap<Alike, u32>>>);

/// Searches with the same text, projects and number of rows are counted together.
type Alike = (String, Vec<ProjectId>, u32);

impl Counter {
    pub fn count(&self, query: &str, projects: &[ProjectId], results: usize) {
        let key = (query.to_owned(), projects.to_vec(), u32::try_from(results).unwrap_or(u32::MAX));
        let mut seen = lock(&self.0);
        if seen.len() < MOST || seen.contains_key(&key) {
            *seen.entry(key).or_default() += 1;
        }
    }

    /// Reports the counts regularly, and once more after the last search (`served`). A lost report's counts are lost.
    pub async fn report(self, requester: Requester, served: CancellationToken) {
        loop {
            let last = served.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none();
            for searches in batches(self.take()) {
                let context = Context::new(uuid::Uuid::now_v7().to_string());
                if let Err(problem) = requester.ask(&context, &ReportSearches { searches }, PATIENCE).await {
                    tracing::debug!(kind = ?problem.kind, "a report of searches was not taken");
                }
            }
            if last {
                return;
            }
        }
    }

    fn take(&self) -> Vec<SearchSeen> {
        let seen = std::mem::take(&mut *lock(&self.0));
        seen.into_iter()
            .map(|((query, projects, results), times)| SearchSeen { query, projects, results, times })
            .collect()
    }
}

/// Cuts the searches into messages. One that is too large for any message gets a message of its own,
/// so that no other search is lost with it.
fn batches(searches: Vec<SearchSeen>) -> Vec<Vec<SearchSeen>> {
    let (mut batches, mut left) = (Vec::<Vec<SearchSeen>>::new(), 0);
    for seen in searches {
        let size = serde_json::to_vec(&seen).map_or(0, |json| json.len() + 1);
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH && size <= left => {
                left -= size;
                batch.push(seen);
            }
            _ => {
                left = BATCH_BYTES.saturating_sub(size);
                batches.push(vec![seen]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_small_enough_for_a_message() {
        let sizes = |queries: &[String]| -> Vec<usize> {
            let counter = Counter::default();
            for query in queries {
                counter.count(query, &[], 0);
            }
            batches(counter.take()).iter().map(Vec::len).collect()
        };
        let short: Vec<_> = (0..150).map(|number| number.to_string()).collect();
        assert_eq!(sizes(&short), [100, 50]);
        let long: Vec<_> = (0..5).map(|number| number.to_string().repeat(400_000)).collect();
        assert_eq!(sizes(&long), [2, 2, 1]);
        let too_long: Vec<_> = (0..2).map(|number| number.to_string().repeat(1_000_000)).collect();
        assert_eq!(sizes(&too_long), [1, 1]);
    }

    #[test]
    fn like_searches_are_counted_together() {
        let counter = Counter::default();
        for _ in 0..3 {
            counter.count("losa", &["p".parse().unwrap()], 2);
        }
        counter.count("losa", &[], 0);
        let mut taken = counter.take();
        taken.sort_by_key(|seen| seen.times);
        assert_eq!(taken.iter().map(|seen| (seen.results, seen.times)).collect::<Vec<_>>(), [(0, 1), (2, 3)]);
        assert!(counter.take().is_empty());
    }
}
