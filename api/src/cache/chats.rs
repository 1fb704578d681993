//! The answers of chats that stand alone. The worker gives a cached one again, so every caller has a history of its own.

use schemas::chat::{ChatQuery, ChatReply, KnownAnswer};

use super::{Cache, Entry, Key, Look, digest, sorted};

/// Maximum size of a cached answer before compression, in bytes: it travels to the worker in one message of NATS.
const LARGEST: usize = 256 * 1024;

impl Cache {
    /// Puts the cached answer into the query, or returns the key under which the worker's answer is to be cached.
    pub async fn look_for_answer(&self, query: &mut ChatQuery) -> Option<Key> {
        if !query.stands_alone() {
            return None;
        }
        let question = (sorted(&query.scope), &query.message, query.max_context_docs);
        match self.look(format!("acorag:cache:chat:{}", digest(&question)), &query.scope).await {
            Look::Hit(entry) => {
                query.known = serde_json::from_slice(&entry.body).ok();
                None
            }
            Look::Miss(key) => Some(key),
            Look::Bypass => None,
        }
    }

    /// Caches the answer if it may be given again. What is in the reply for this purpose only is removed.
    pub async fn keep_answer(&self, key: Option<&Key>, reply: &mut ChatReply) {
        let (Some(projects), Some(key)) = (reply.reusable.take(), key) else { return };
        let known = KnownAnswer {
            answer: reply.answer.clone(),
            sources: reply.sources.clone(),
            context_used: reply.context_used.clone(),
            found: reply.found,
            answered_by: reply.answered_by.clone(),
            projects: projects.clone(),
        };
        let Ok(body) = serde_json::to_vec(&known) else { return };
        if body.len() <= LARGEST {
            self.keep(key, &Entry { body: body.into(), results: reply.sources.len(), projects }).await;
        }
    }
}
