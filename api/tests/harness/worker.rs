//! A stand-in for the query workers, whose answers the test determines.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use platform::nats::{
    Nats,
    consume::{self, Settings},
    direct,
    serve::Router,
};
use schemas::{
    DocumentId, Lane, Problem, Scope,
    account::{Caller, CallerLimits, LoggedOut, Login, Logout, Me, Register, Role, VerifyToken, refusal},
    analytics::{ReportSearches, Reported},
    chat::ChatQuery,
    dead_letter::{
        DeadLetter, DeadLetters, DiscardDeadLetter, ListDeadLetters, RequeueDeadLetter, RequeueDeadLetters,
        Requeued, Settled,
    },
    document::{Document, FileLocation, GetDocument, ListDocuments, LocateFile},
    feedback::{FeedbackSaved, SaveFeedback},
    history::{ConversationHistory, History, UserHistory},
    query::{Ping, Pong},
    search::{Search, SearchReply},
    subjects,
};
use tokio_util::sync::CancellationToken;

use super::digest;

/// Stands in for the query workers and uses their real protocol.
#[derive(Clone, Default)]
pub struct Worker {
    pub documents: Arc<Mutex<Vec<Document>>>,
    pub files: Arc<Mutex<Vec<FileLocation>>>,
    pub callers: Arc<Mutex<Vec<(String, Caller)>>>,
    /// The answers to the next searches; the last one is repeated.
    pub replies: Arc<Mutex<VecDeque<Result<SearchReply, Problem>>>>,
    pub seen: Arc<Mutex<Vec<Search>>>,
    pub verifications: Arc<AtomicUsize>,
    pub pings: Arc<AtomicUsize>,
    /// How many logins are refused as overload before one is answered.
    pub busy: Arc<AtomicUsize>,
    pub search_time: Arc<Mutex<Duration>>,
    /// Searches that the cache answered, as the api reported them.
    pub reported: Arc<Mutex<Vec<schemas::analytics::SearchSeen>>>,
    pub letters: Arc<Mutex<Vec<DeadLetter>>>,
    pub chat: Arc<crate::chat::Script>,
}

impl Worker {
    /// Answers queries until the returned token is cancelled or the test ends.
    pub fn start(&self, nats: &Nats) -> CancellationToken {
        let stopping = CancellationToken::new();
        let router = Router::new(nats.clone(), self.clone())
            .on::<Ping, _>(|worker: Self, _, _| async move {
                worker.pings.fetch_add(1, Ordering::SeqCst);
                Ok(Pong { warm: true })
            })
            .on::<Search, _>(|worker: Self, _, search| async move { worker.search(search).await })
            .on::<GetDocument, _>(|worker: Self, _, get| async move {
                worker.find(&get.scope, &get.document_id).ok_or_else(Problem::not_found)
            })
            .on::<ListDocuments, _>(|worker: Self, _, list| async move {
                let documents = worker.documents.lock().unwrap().clone();
                let documents =
                    documents.into_iter().filter(|d| list.scope.allows(&d.facts.project_id)).collect();
                Ok(schemas::document::DocumentList { documents, next_cursor: None })
            })
            .on::<LocateFile, _>(|worker: Self, _, locate| async move {
                let document =
                    worker.find(&locate.scope, &locate.document_id).ok_or_else(Problem::not_found)?;
                let files = worker.files.lock().unwrap();
                files
                    .iter()
                    .find(|file| file.sha256 == document.facts.sha256)
                    .cloned()
                    .ok_or_else(Problem::not_found)
            })
            .on::<ReportSearches, _>(|worker: Self, _, report| async move {
                worker.reported.lock().unwrap().extend(report.searches);
                Ok(Reported {})
            })
            .on::<SaveFeedback, _>(|_, _, feedback| async move {
                let SaveFeedback { session_id, rating, .. } = feedback;
                Ok(FeedbackSaved { status: "success".into(), session_id, rating })
            })
            .on::<ConversationHistory, _>(|_, _, _| async { Ok(History::default()) })
            .on::<UserHistory, _>(|_, _, _| async { Ok(History::default()) })
            .on::<Me, _>(|_, _, me| async move { crate::auth::user(&me.user_id) })
            .on::<Login, _>(|worker: Self, _, login| async move {
                match worker.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                {
                    Ok(_) => Err(Problem::overloaded()),
                    Err(_) => crate::auth::log_in(login),
                }
            })
            .on::<Logout, _>(|worker: Self, _, logout| async move {
                let mut callers = worker.callers.lock().unwrap();
                let before = callers.len();
                callers.retain(|(digest, _)| *digest != logout.token_sha256);
                if callers.len() < before { Ok(LoggedOut {}) } else { Err(refusal::no_session()) }
            })
            .on::<Register, _>(|_, _, _| async { Err(refusal::registration_closed()) })
            .on_stream::<ChatQuery, _>(|worker: Self, _, query, replier| async move {
                worker.chat.play(query, replier).await
            })
            .on::<ListDeadLetters, _>(|worker: Self, _, list| async move {
                let mut dead_letters = worker.letters.lock().unwrap().clone();
                dead_letters.retain(|letter| is_within(letter, &list.scope));
                Ok(DeadLetters { dead_letters, next_cursor: None })
            })
            .on::<RequeueDeadLetters, _>(|worker: Self, _, all| async move {
                let mut letters = worker.letters.lock().unwrap();
                let before = letters.len();
                letters.retain(|letter| !is_within(letter, &all.scope));
                Ok(Requeued { requeued: (before - letters.len()) as u32, next_cursor: None })
            })
            .on::<RequeueDeadLetter, _>(|worker: Self, _, one| async move {
                worker.settle("requeued", one.id, &one.scope)
            })
            .on::<DiscardDeadLetter, _>(|worker: Self, _, one| async move {
                worker.settle("discarded", one.id, &one.scope)
            })
            .on::<VerifyToken, _>(|worker: Self, _, token| async move {
                worker.verifications.fetch_add(1, Ordering::SeqCst);
                let callers = worker.callers.lock().unwrap();
                let found = callers.iter().find(|(digest, _)| *digest == token.token_sha256);
                found.map(|(_, caller)| caller.clone()).ok_or_else(refusal::unauthorized)
            });
        let router = Arc::new(router);
        for lane in Lane::ALL {
            let settings = Settings {
                stream: subjects::QUERIES_STREAM,
                consumer: subjects::query_consumer(lane),
                slots: 8,
                max_attempts: 1,
                confirm: false,
            };
            tokio::spawn(consume::run(nats.clone(), settings, router.clone(), stopping.clone()));
        }
        let (subject, group) = (subjects::SECRETS_ALL, subjects::SECRETS_GROUP);
        tokio::spawn(direct::run(nats.clone(), subject, group, 8, router, stopping.clone()));
        stopping
    }

    async fn search(&self, search: Search) -> Result<SearchReply, Problem> {
        // First, because a test that sees this search may change the time for the next one.
        let time = *self.search_time.lock().unwrap();
        self.seen.lock().unwrap().push(search);
        tokio::time::sleep(time).await;
        let mut replies = self.replies.lock().unwrap();
        if replies.len() > 1 {
            return replies.pop_front().unwrap();
        }
        replies.front().cloned().unwrap_or_else(|| Ok(SearchReply::default()))
    }

    fn settle(&self, status: &str, id: u64, scope: &Scope) -> Result<Settled, Problem> {
        let mut letters = self.letters.lock().unwrap();
        let known = letters.iter().position(|letter| letter.facts.id == id && is_within(letter, scope));
        letters.remove(known.ok_or_else(Problem::not_found)?);
        Ok(Settled { status: status.to_owned(), id })
    }

    /// Makes `key` a valid API key with this role and scope.
    pub fn allow(&self, key: &str, role: Role, scope: Scope) -> Caller {
        let caller = Caller {
            id: format!("key:{key}"),
            user_id: None,
            name: key.to_owned(),
            role,
            scope,
            limits: CallerLimits::default(),
        };
        self.callers.lock().unwrap().push((digest(key), caller.clone()));
        caller
    }

    pub fn revoke(&self, key: &str) {
        self.callers.lock().unwrap().retain(|(known, _)| *known != digest(key));
    }

    fn find(&self, scope: &Scope, id: &DocumentId) -> Option<Document> {
        let documents = self.documents.lock().unwrap();
        documents.iter().find(|d| d.facts.document_id == *id && scope.allows(&d.facts.project_id)).cloned()
    }

    pub fn searches(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn is_within(letter: &DeadLetter, scope: &Scope) -> bool {
    letter.facts.project_id.as_ref().is_some_and(|project| scope.allows(project))
}
