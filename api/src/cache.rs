//! Answers to searches, shared by all replicas, and never older than the newest commit they depend on.
//!
//! A project's generation is a token in Redis that the ingest workers replace with each commit. An entry remembers the
//! generations it was made under, read *before* its question went to a worker, and counts only while they stand.

mod entry;
mod flights;

use std::sync::Arc;

use bytes::Bytes;
use fred::{
    interfaces::KeysInterface as _,
    types::{Expiration, SetOptions, Value},
};
use prometheus::IntCounterVec;
use schemas::{Scope, cache, search::Search};
use sha2::{Digest as _, Sha256};

use crate::redis::Redis;
pub use entry::Entry;
pub use flights::Flights;

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// How long a search's answer may be served again, in seconds; 0 turns the cache off.
    #[arg(long, env = "CACHE_TTL", default_value_t = 300)]
    pub cache_ttl: u32,
    /// Largest answer that is kept, in KiB after compression. The whole is bounded by Redis' own `maxmemory`.
    #[arg(long, env = "CACHE_ENTRY_KIB", default_value_t = 256)]
    pub cache_entry_kib: usize,
}

#[derive(Clone)]
pub struct Cache {
    config: Arc<Config>,
    redis: Redis,
    /// By result: `hit`, `miss`, `bypass`.
    results: IntCounterVec,
}

/// What the cache knows about a search.
pub enum Look {
    Hit(Entry),
    Miss(Place),
    /// Redis is away, or the cache is turned off.
    Bypass,
}

/// Where an answer to be found may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    key: String,
    generations: Vec<String>,
}

/// With more projects than this, their common generation stands for all of them.
const MOST_PROJECTS: usize = 16;

impl Cache {
    pub fn new(config: Config, redis: Redis, results: IntCounterVec) -> Self {
        Self { config: Arc::new(config), redis, results }
    }

    pub async fn look(&self, search: &Search) -> Look {
        if self.config.cache_ttl == 0 {
            return Look::Bypass;
        }
        let key = key(search);
        let generations = generation_keys(&search.scope);
        let Some((stored, generations)) = self
            .redis
            .ask(async |pool| {
                let keys: Vec<String> =
                    std::iter::once(key.clone()).chain(generations.iter().cloned()).collect();
                let mut found: Vec<Option<Bytes>> = pool.mget(keys).await?;
                if found.iter().skip(1).any(Option::is_none) {
                    // Never renewed yet, or pushed out of a full Redis: a new token, which never was one before.
                    for (missing, _) in
                        generations.iter().zip(found.iter().skip(1)).filter(|(_, token)| token.is_none())
                    {
                        let token = uuid::Uuid::new_v4().to_string();
                        pool.set::<Value, _, _>(missing, token, None, Some(SetOptions::NX), false).await?;
                    }
                    let tokens: Vec<Option<Bytes>> = pool.mget(generations.clone()).await?;
                    found.truncate(1);
                    found.extend(tokens);
                }
                let mut found = found.into_iter();
                let stored = found.next().flatten();
                let tokens: Vec<String> = found
                    .map(|token| String::from_utf8_lossy(&token.unwrap_or_default()).into_owned())
                    .collect();
                Ok((stored, tokens))
            })
            .await
        else {
            return Look::Bypass;
        };
        match stored.and_then(|stored| Entry::read(&stored)) {
            Some((made_under, entry)) if made_under == generations => Look::Hit(entry),
            _ => Look::Miss(Place { key, generations }),
        }
    }

    pub async fn keep(&self, place: &Place, entry: &Entry) {
        // A commit may be under way: the answer may be older than it, and nobody would know.
        if place.generations.iter().any(|generation| generation.starts_with(cache::CHANGING)) {
            return;
        }
        let Some(written) = entry.write(&place.generations) else { return };
        if written.len() > self.config.cache_entry_kib * 1024 {
            return;
        }
        let ttl = Expiration::EX(i64::from(self.config.cache_ttl));
        let kept = self.redis.ask(async |pool| {
            pool.set::<(), _, _>(&place.key, Value::Bytes(written.into()), Some(ttl), None, false).await
        });
        // Not kept is not wrong: the next search asks a worker again.
        kept.await;
    }

    pub fn count(&self, result: &str) {
        self.results.with_label_values(&[result]).inc();
    }
}

/// The form of what is kept: a new one does not read the old.
const FORM: u8 = 1;

/// Every parameter that changes the answer, and what the caller may see.
fn key(search: &Search) -> String {
    let mut search = search.clone();
    if let Scope::Projects(projects) = &mut search.scope {
        projects.sort();
        projects.dedup();
    }
    let mut hasher = Sha256::new();
    hasher.update([FORM]);
    hasher.update(serde_json::to_vec(&search).unwrap_or_default());
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("acorag:cache:search:{digest}")
}

fn generation_keys(scope: &Scope) -> Vec<String> {
    match scope {
        Scope::Projects(projects) if (1..=MOST_PROJECTS).contains(&projects.len()) => {
            let mut projects: Vec<_> = projects.iter().collect();
            projects.sort();
            projects.dedup();
            projects.into_iter().map(|project| cache::generation_of(&project.token())).collect()
        }
        _ => vec![cache::GENERATION.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use schemas::search::SearchRequest;

    use super::*;

    fn search(json: &str, scope: &Scope) -> Search {
        Search::new(serde_json::from_str::<SearchRequest>(json).unwrap(), scope).unwrap()
    }

    #[test]
    fn every_parameter_and_the_scope_are_in_the_key() {
        let [a, b] = ["a", "b"].map(|id| id.parse().unwrap());
        let all = Scope::All;
        let base = search(r#"{"query": "x"}"#, &all);
        let others = [
            search(r#"{"query": "y"}"#, &all),
            search(r#"{"query": "x", "top_k": 5}"#, &all),
            search(r#"{"query": "x", "strict_mode": true}"#, &all),
            search(r#"{"query": "x", "mode": "vector"}"#, &all),
            search(r#"{"query": "x", "filters": {"revision": "B"}}"#, &all),
            search(r#"{"query": "x", "project_id": "a"}"#, &all),
            search(r#"{"query": "x"}"#, &Scope::Projects(vec![a, b])),
        ];
        let mut keys: Vec<String> = others.iter().chain([&base]).map(key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), others.len() + 1);
        assert_eq!(key(&base), key(&search(r#"{"query": " x ", "probes": 9, "top_k": 10}"#, &all)));
    }

    #[test]
    fn an_answer_hangs_on_the_projects_it_may_draw_on() {
        let projects = |ids: &[&str]| Scope::Projects(ids.iter().map(|id| id.parse().unwrap()).collect());
        assert_eq!(generation_keys(&Scope::All), ["acorag:gen"]);
        assert_eq!(generation_keys(&projects(&["b c", "a", "a"])), ["acorag:gen:a", "acorag:gen:b=20c"]);
        let many: Vec<String> = (0..17).map(|i| format!("p{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(generation_keys(&projects(&many)), ["acorag:gen"]);
    }
}
