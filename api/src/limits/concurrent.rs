//! How many calls of one caller are under way at the same time, in this process: one that sends very many at once does not
//! make everybody wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use prometheus::IntCounterVec;
use schemas::{ProblemKind, messages};

use super::{Class, drain};
use crate::{Error, extractors::Caller};

#[derive(Debug, Clone, Copy, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Searches of one caller under way at the same time, in each api; 0 for no bound. With AUTH=off there is none.
    #[arg(long, env = "MAX_CALLER_SEARCHES", default_value_t = 32)]
    pub max_caller_searches: usize,
    /// Chats of one caller under way at the same time.
    #[arg(long, env = "MAX_CALLER_CHATS", default_value_t = 4)]
    pub max_caller_chats: usize,
}

impl Config {
    fn most(self, class: Class) -> Option<usize> {
        let most = match class {
            Class::Search => self.max_caller_searches,
            Class::Chat => self.max_caller_chats,
            _ => 0,
        };
        (most > 0).then_some(most)
    }
}

type Key = (Class, String);

#[derive(Clone)]
pub struct Concurrent {
    config: Config,
    under_way: Arc<Mutex<HashMap<Key, usize>>>,
    refused: IntCounterVec,
}

/// A call under way, until this is dropped.
struct Place {
    concurrent: Concurrent,
    key: Key,
}

impl Concurrent {
    pub fn new(config: Config, refused: IntCounterVec) -> Self {
        Self { config, under_way: Arc::default(), refused }
    }

    fn enter(&self, class: Class, caller: &str, most: usize) -> Option<Place> {
        let key = (class, caller.to_owned());
        let mut under_way = self.lock();
        let count = under_way.entry(key.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { concurrent: self.clone(), key })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.concurrent.lock();
        match under_way.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(under_way.remove(&self.key)),
        }
    }
}

/// Lets a call through while few of its caller's are under way.
pub async fn bound(
    State((concurrent, class)): State<(Concurrent, Class)>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    // Without keys all callers may be one address: with AUTH=off, this machine's.
    let most = concurrent.config.most(class).filter(|_| !caller.is_known_by_address());
    let Some(most) = most else { return next.run(request).await };
    let Some(place) = concurrent.enter(class, &caller.account.id, most) else {
        concurrent.refused.with_label_values(&[class.name(), "concurrent"]).inc();
        drain(request).await;
        let problem = messages::http::too_many_at_once(most).problem(ProblemKind::RateLimited).retry_after(1);
        return Error(problem).into_response();
    };
    let response = next.run(request).await;
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_stream {
        return response;
    }
    // The answer is still being written. It ends when its body is dropped, whoever ends it.
    response.map(|body| {
        let state = (body.into_data_stream(), place);
        Body::from_stream(futures::stream::unfold(state, |(mut pieces, place)| async move {
            Some((pieces.next().await?, (pieces, place)))
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_gets_some_places_and_others_have_theirs() {
        let refused =
            IntCounterVec::new(prometheus::Opts::new("refused", "refused"), &["limit", "by"]).unwrap();
        let config = Config { max_caller_searches: 0, max_caller_chats: 2 };
        let concurrent = Concurrent::new(config, refused);
        assert_eq!((config.most(Class::Search), config.most(Class::Chat)), (None, Some(2)));
        let enter = |caller| concurrent.enter(Class::Chat, caller, 2);
        let (first, second) = (enter("a"), enter("a"));
        assert!(first.is_some() && second.is_some() && enter("a").is_none());
        assert!(enter("b").is_some());
        drop(first);
        assert!(enter("a").is_some());
        drop(second);
        assert!(concurrent.lock().is_empty(), "nobody is remembered");
    }
}
