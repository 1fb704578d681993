//! Request and reply over NATS, for all kinds of queries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Lane, Problem, subjects};

/// A message that gets a reply. Its type determines the subject; `Reply` is the type of the reply.
pub trait Request: Serialize + DeserializeOwned + Send + Sync + 'static {
    type Reply: Serialize + DeserializeOwned + Send + 'static;

    /// The name of the query in its lane and in logs.
    const NAME: &'static str;

    /// `None` if the request contains a password. Such a request is sent directly to a worker, because a stream
    /// may be stored in a file. If no worker is there, the request fails.
    const LANE: Option<Lane>;

    fn subject() -> String {
        Self::LANE.map_or_else(|| subjects::secret(Self::NAME), |lane| subjects::query(lane, Self::NAME))
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
