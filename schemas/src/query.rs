//! Request and reply through JetStream: what a query is, who may ask it, and what comes back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Problem, ProjectId, subjects};

/// Queries of one lane share a consumer, so that lanes never wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Searches: short, many, embedding-bound.
    Search,
    /// Chats: long, few.
    Chat,
    /// Look-ups by key: no model involved.
    Lookup,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Search, Self::Chat, Self::Lookup];

    pub fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Chat => "chat",
            Self::Lookup => "lookup",
        }
    }
}

/// A question to a query worker. The type names its subject; its `Reply` is what comes back.
pub trait Query: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    type Reply: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
    const LANE: Lane;
    const NAME: &'static str;

    fn subject() -> String {
        subjects::query(Self::LANE, Self::NAME)
    }
}

/// The payload of a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    Ok(T),
    Problem(Problem),
}

impl<T> Answer<T> {
    pub fn into_result(self) -> Result<T, Problem> {
        match self {
            Self::Ok(reply) => Ok(reply),
            Self::Problem(problem) => Err(problem),
        }
    }
}

impl<T> From<Result<T, Problem>> for Answer<T> {
    fn from(result: Result<T, Problem>) -> Self {
        match result {
            Ok(reply) => Self::Ok(reply),
            Err(problem) => Self::Problem(problem),
        }
    }
}

/// The projects a caller may read. The api says it, the workers and the database hold to it.
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

    /// The scope narrowed to one project when the caller names it; a project it may not read leaves nothing.
    #[must_use]
    pub fn narrowed(&self, project: Option<&ProjectId>) -> Self {
        match project {
            None => self.clone(),
            Some(project) if self.allows(project) => Self::Projects(vec![project.clone()]),
            Some(_) => Self::Projects(Vec::new()),
        }
    }
}

/// "Is anybody there?": answered by any warm worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ping {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pong {
    pub warm: bool,
}

impl Query for Ping {
    type Reply = Pong;
    const LANE: Lane = Lane::Lookup;
    const NAME: &'static str = "ping";
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
