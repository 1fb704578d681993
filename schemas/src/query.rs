//! The list of all queries to the workers. A new query is one line here and one handler in the worker.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ProjectId, Request, account, analytics, asyncapi, chat, dead_letter, document, feedback, history, search,
};

names! {
    /// The queries of a lane share one consumer, so that queries of one lane never wait for those of another.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Lane {
        /// Searches: many short queries, whose rate is limited by the embedding model.
        Search = "search",
        /// Chats: few long queries.
        Chat = "chat",
        /// All other short queries, such as documents, history and accounts: they use the database, but not the
        /// embedding model.
        Lookup = "lookup",
        /// Dead letters: few, and answered by the ingest workers.
        Letters = "letters",
    }
}

/// Declares all queries: lane, name in the lane, type of the query and type of the reply. `Secret` in place of a lane is
/// for a query that no stream may hold.
macro_rules! queries {
    ($($lane:ident $name:literal: $query:ty => $reply:ty;)*) => {
        $(
            impl Request for $query {
                type Reply = $reply;
                const NAME: &'static str = $name;
                const LANE: Option<Lane> = queries!(@ $lane);
            }
        )*

        pub(crate) fn describe_all(builder: &mut asyncapi::Builder) {
            $(builder.query::<$query>();)*
        }

        /// Returns the subjects of the queries on the wanted lanes. A secret query has no lane.
        pub fn subjects(wanted: impl Fn(Option<Lane>) -> bool) -> Vec<String> {
            let all = [$((<$query>::LANE, <$query>::subject())),*];
            all.into_iter().filter(|(lane, _)| wanted(*lane)).map(|(_, subject)| subject).collect()
        }
    };
    (@ Secret) => { None };
    (@ $lane:ident) => { Some(Lane::$lane) };
}

queries! {
    Lookup "ping": Ping => Pong;
    Search "documents": search::Search => search::SearchReply;
    Chat "ask": chat::ChatQuery => chat::ChatReply;
    Lookup "history.conversation": history::ConversationHistory => history::History;
    Lookup "history.user": history::UserHistory => history::History;
    Lookup "feedback.save": feedback::SaveFeedback => feedback::FeedbackSaved;
    Lookup "analytics.feedback": feedback::GetFeedbackStats => feedback::FeedbackStats;
    Lookup "analytics.searches": analytics::GetPopularSearches => analytics::PopularSearches;
    Lookup "analytics.report": analytics::ReportSearches => analytics::Reported;
    Lookup "suggestions": analytics::GetSuggestions => analytics::Suggestions;
    Lookup "stats.documents": analytics::GetDocumentStats => analytics::DocumentStats;
    Lookup "auth.verify": account::VerifyToken => account::Caller;
    Secret "auth.register": account::Register => account::Session;
    Secret "auth.login": account::Login => account::Session;
    Lookup "auth.logout": account::Logout => account::LoggedOut;
    Lookup "auth.me": account::Me => account::User;
    Lookup "document.get": document::GetDocument => document::Document;
    Lookup "document.list": document::ListDocuments => document::DocumentList;
    Lookup "document.file": document::LocateFile => document::FileLocation;
    Letters "list": dead_letter::ListDeadLetters => dead_letter::DeadLetters;
    Letters "requeue": dead_letter::RequeueDeadLetter => dead_letter::Settled;
    Letters "requeue.all": dead_letter::RequeueDeadLetters => dead_letter::Requeued;
    Letters "discard": dead_letter::DiscardDeadLetter => dead_letter::Settled;
}

/// The projects that a caller may read. The api decides it; the workers and the database enforce it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    All,
    Projects(Vec<ProjectId>),
}

impl Scope {
    pub fn allows(&self, project: &ProjectId) -> bool {
        match self {
            Self::All => true,
            Self::Projects(projects) => projects.contains(project),
        }
    }

    /// Returns the projects that were used; if none was, those of the scope.
    pub fn or_own<'a>(&'a self, used: &'a [ProjectId]) -> &'a [ProjectId] {
        match self {
            Self::Projects(own) if used.is_empty() => own,
            _ => used,
        }
    }

    /// The scope reduced to one project if the caller names one; empty if the caller may not read that project.
    #[must_use]
    pub fn narrowed(&self, project: Option<&ProjectId>) -> Self {
        match project {
            None => self.clone(),
            Some(project) if self.allows(project) => Self::Projects(vec![project.clone()]),
            Some(_) => Self::Projects(Vec::new()),
        }
    }
}

/// Asks whether a worker is there. Any worker that is warm (has its model loaded) answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ping {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pong {
    pub warm: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naming_a_project_never_widens_a_scope() {
        let [a, b]: [ProjectId; 2] = ["a", "b"].map(|id| id.parse().unwrap());
        let only_a = Scope::Projects(vec![a.clone()]);
        assert_eq!(only_a.narrowed(Some(&b)), Scope::Projects(vec![]));
        assert_eq!(only_a.narrowed(None), only_a);
        assert_eq!(Scope::All.narrowed(Some(&a)), only_a);
    }
}
