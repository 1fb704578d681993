//! Answers to searches: from the cache, from a question that is under way, or from a worker.

use std::{sync::Arc, time::Duration};

use platform::nats::{Context, request::Requester};
use prometheus::HistogramVec;
use schemas::{Problem, ProjectId, Scope, search::Search};

use crate::{
    cache::{Cache, Entry, Flights, Look, Place},
    tally::Tally,
};

#[derive(Clone)]
pub struct Searcher {
    requester: Requester,
    cache: Cache,
    flights: Flights<Place, Result<Answer, Problem>>,
    tally: Tally,
    patience: Duration,
    ask_seconds: HistogramVec,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub entry: Entry,
    /// Legs of the search that were left out.
    pub degraded: Arc<[String]>,
}

/// How the cache took part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Hit,
    Miss,
    Bypass,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

impl Searcher {
    pub fn new(
        requester: Requester,
        cache: Cache,
        tally: Tally,
        patience: Duration,
        ask_seconds: HistogramVec,
    ) -> Self {
        Self { requester, cache, flights: Flights::default(), tally, patience, ask_seconds }
    }

    pub async fn answer(&self, context: &Context, search: &Search) -> Result<(Answer, Source), Problem> {
        let (answer, source) = match self.cache.look(search).await {
            Look::Hit(entry) => (Answer { entry, degraded: Arc::default() }, Source::Hit),
            Look::Miss(place) => {
                let (answer, asked) =
                    self.flights.join(place.clone(), self.ask_and_keep(context, search, &place)).await;
                (answer?, if asked { Source::Miss } else { Source::Hit })
            }
            Look::Bypass => (self.ask(context, search).await?, Source::Bypass),
        };
        self.cache.count(source.name());
        if source == Source::Hit {
            self.tally.seen(&search.query, drew_on(search, &answer.entry), answer.entry.results);
        }
        Ok((answer, source))
    }

    async fn ask_and_keep(
        &self,
        context: &Context,
        search: &Search,
        place: &Place,
    ) -> Result<Answer, Problem> {
        let answer = self.ask(context, search).await?;
        // A thin answer is for who could not wait, not for everybody.
        if answer.degraded.is_empty() {
            self.cache.keep(place, &answer.entry).await;
        }
        Ok(answer)
    }

    async fn ask(&self, context: &Context, search: &Search) -> Result<Answer, Problem> {
        let timer = self.ask_seconds.with_label_values(&["search"]).start_timer();
        let reply = self.requester.ask(context, search, self.patience).await?;
        timer.observe_duration();
        let entry = Entry::new(&reply.rows).map_err(|error| {
            tracing::error!(%error, "writing search rows");
            Problem::internal()
        })?;
        Ok(Answer { entry, degraded: reply.degraded.into() })
    }
}

/// The projects of the rows; where there are none, those that were searched. The worker's log says the same.
fn drew_on<'a>(search: &'a Search, entry: &'a Entry) -> &'a [ProjectId] {
    match &search.scope {
        Scope::Projects(searched) if entry.projects.is_empty() => searched,
        _ => &entry.projects,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_without_rows_belongs_to_the_projects_that_were_searched() {
        let [a, b]: [ProjectId; 2] = ["a", "b"].map(|id| id.parse().unwrap());
        let request = || serde_json::from_str(r#"{"query": "losa"}"#).unwrap();
        let both = Search::new(request(), &Scope::Projects(vec![a.clone(), b.clone()])).unwrap();
        let everything = Search::new(request(), &Scope::All).unwrap();
        let nothing = Entry::new(&[]).unwrap();
        let found = Entry { projects: vec![a.clone()], ..nothing.clone() };
        assert_eq!(drew_on(&both, &nothing), [a.clone(), b]);
        assert_eq!(drew_on(&both, &found), [a]);
        assert_eq!(drew_on(&everything, &nothing), []);
    }
}
