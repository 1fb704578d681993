//! Answers searches: from the cache that all replicas share, from an identical search that is in progress, or from a
//! worker. The answers of chats are cached in the same way ([`chats`]).
//!
//! No answer is older than the newest commit that it depends on. A project's generation is a token in Redis that the
//! ingest workers replace with each commit. A cache entry stores the generations that were read *before* its search was
//! sent to a worker, and it is valid only while these generations are current.

mod chats;
mod counter;
mod entry;
mod single_flight;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fred::{
    interfaces::KeysInterface as _,
    types::{Expiration, SetOptions, Value},
};
use platform::nats::{
    Context,
    request::{Requester, read},
};
use schemas::{Problem, ProblemKind, Scope, cache, search::Search};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::{limits::admission::Admission, metrics::Metrics, redis::Redis};
pub use counter::Counter;
pub use entry::Entry;
use single_flight::SingleFlight;

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// How long the answer to a search or a chat is cached, in seconds; 0 turns the cache off.
    #[arg(long, env = "CACHE_TTL", default_value_t = 300)]
    pub cache_ttl: u32,
    /// Maximum size of a cached answer, in KiB after compression. Redis' own `maxmemory` limits the total size.
    #[arg(long, env = "CACHE_ENTRY_KIB", default_value_t = 256)]
    pub cache_entry_kib: usize,
}

#[derive(Clone)]
pub struct Cache {
    pub config: Arc<Config>,
    pub redis: Redis,
    pub requester: Requester,
    pub patience: Duration,
    pub admission: Admission,
    pub metrics: Arc<Metrics>,
    pub counter: Counter,
    pub under_way: UnderWay,
}

/// Searches that a worker is processing.
pub type UnderWay = SingleFlight<Key, Result<Answer, Problem>>;

#[derive(Debug, Clone)]
pub struct Answer {
    pub entry: Entry,
    /// The parts of the search (`vector`, `keyword`) that are missing from this answer.
    pub degraded: Arc<[String]>,
    /// How the cache was used: `hit`, `miss`, or `bypass` when it could not be used or is turned off.
    pub source: &'static str,
}

enum Look {
    Hit(Entry),
    Miss(Key),
    /// Redis is unavailable or has just lost a generation, or the cache is turned off.
    Bypass,
}

/// The key of an answer: its search, and the generations that were current before the search was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    name: String,
    generations: Vec<String>,
}

/// Maximum number of projects whose own generations are used; beyond it, the common generation of all projects is used.
const MOST_PROJECTS: usize = 16;

impl Cache {
    pub async fn search(&self, context: &Context, search: &Search) -> Result<Answer, Problem> {
        let answer = match self.look(name(search), &search.scope).await {
            Look::Hit(entry) => Answer { entry, degraded: Arc::default(), source: "hit" },
            Look::Miss(key) => {
                let begun = Instant::now();
                let join = || self.under_way.join(key.clone(), self.ask_and_keep(context, search, &key));
                let (mut answer, mut asked) = join().await;
                // The time that was over is that of the caller that asked. This one may have come much later.
                let is_timeout = answer.as_ref().is_err_and(|problem| problem.kind == ProblemKind::Timeout);
                if !asked && is_timeout && begun.elapsed() < self.patience / 2 {
                    (answer, asked) = join().await;
                }
                Answer { source: if asked { "miss" } else { "hit" }, ..answer? }
            }
            Look::Bypass => self.ask(context, search).await?,
        };
        self.metrics.cache.with_label_values(&[answer.source]).inc();
        if answer.source == "hit" {
            let projects = search.scope.or_own(&answer.entry.projects);
            self.counter.count(&search.query, projects, answer.entry.results);
        }
        Ok(answer)
    }

    async fn look(&self, name: String, scope: &Scope) -> Look {
        if self.config.cache_ttl == 0 {
            return Look::Bypass;
        }
        let generations = generation_keys(scope);
        let Some(mut found) = self
            .redis
            .ask(async |pool| {
                let keys: Vec<_> = std::iter::once(&name).chain(&generations).cloned().collect();
                let found: Vec<Option<Bytes>> = pool.mget(keys.clone()).await?;
                if found[1..].iter().all(Option::is_some) {
                    return Ok(found);
                }
                // Nobody has set one yet, or a full Redis evicted it. No older entry matches the new, random token.
                for generation in &generations {
                    let token = uuid::Uuid::new_v4().to_string();
                    pool.set::<Value, _, _>(generation, token, None, Some(SetOptions::NX), false).await?;
                }
                pool.mget(keys).await
            })
            .await
        else {
            return Look::Bypass;
        };
        let tokens = found.split_off(1).into_iter();
        let generations = tokens.map(|token| Some(String::from_utf8_lossy(&token?).into_owned()));
        // A generation is gone again. If its absence counted as a generation, old entries could become valid.
        let Some(generations) = generations.collect::<Option<Vec<_>>>() else { return Look::Bypass };
        match found.pop().flatten().and_then(|stored| Entry::read(&stored)) {
            Some((made_under, entry)) if made_under == generations => Look::Hit(entry),
            _ => Look::Miss(Key { name, generations }),
        }
    }

    async fn ask_and_keep(&self, context: &Context, search: &Search, key: &Key) -> Result<Answer, Problem> {
        let answer = self.ask(context, search).await?;
        // An answer that lacks a part of the search is not cached: later callers should get a complete one.
        if answer.degraded.is_empty() {
            self.keep(key, &answer.entry).await;
        }
        Ok(answer)
    }

    async fn ask(&self, context: &Context, search: &Search) -> Result<Answer, Problem> {
        let admitted = self.admission.searches.admit()?;
        let timer = self.metrics.ask_seconds.with_label_values(&["search"]).start_timer();
        let reply = self.requester.ask_streaming(context, search, self.patience).await?.only().await?;
        timer.observe_duration();
        admitted.answered(&reply);
        let Reply { rows, degraded } = read(&reply.payload)?;
        let entry = Entry::new(reply.payload.slice_ref(rows.get().as_bytes())).map_err(|error| {
            tracing::error!(%error, "reading search rows");
            Problem::internal()
        })?;
        Ok(Answer { entry, degraded: degraded.into(), source: "bypass" })
    }

    async fn keep(&self, key: &Key, entry: &Entry) {
        // While a commit is in progress, it is unknown whether the answer includes it.
        if key.generations.iter().any(|generation| generation.starts_with(cache::CHANGING)) {
            return;
        }
        let Some(written) = entry.write(&key.generations) else { return };
        if written.len() > self.config.cache_entry_kib * 1024 {
            return;
        }
        let ttl = Expiration::EX(i64::from(self.config.cache_ttl));
        let kept = self.redis.ask(async |pool| {
            pool.set::<(), _, _>(&key.name, Value::Bytes(written.into()), Some(ttl), None, false).await
        });
        // If Redis did not store the answer, the next search asks a worker again.
        kept.await;
    }
}

/// A [`schemas::search::SearchReply`] whose rows stay as the worker wrote them: they are the body of the response.
#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    rows: &'a RawValue,
    #[serde(default)]
    degraded: Vec<String>,
}

/// The format version of cached entries. It is part of the key, so that entries of other versions are not read.
const VERSION: u8 = 2;

/// Returns the Redis key of a search: it covers every parameter that changes the answer, and what the caller may read.
fn name(search: &Search) -> String {
    let search = Search { scope: sorted(&search.scope), ..search.clone() };
    format!("acorag:cache:search:{}", digest(&search))
}

/// Returns the scope with its projects in a fixed order, so that equal scopes have equal keys.
fn sorted(scope: &Scope) -> Scope {
    let mut scope = scope.clone();
    if let Scope::Projects(projects) = &mut scope {
        projects.sort();
        projects.dedup();
    }
    scope
}

fn digest(question: &impl serde::Serialize) -> String {
    let mut hasher = Sha256::new();
    hasher.update([VERSION]);
    hasher.update(serde_json::to_vec(question).unwrap_or_default());
    schemas::text::hex(hasher.finalize())
}

fn generation_keys(scope: &Scope) -> Vec<String> {
    match sorted(scope) {
        Scope::Projects(projects) if (1..=MOST_PROJECTS).contains(&projects.len()) => {
            projects.iter().map(|project| cache::generation_of(&project.token())).collect()
        }
        _ => vec![cache::GENERATION.to_owned()],
    }
}

#[cfg(test)]
mod tests;
