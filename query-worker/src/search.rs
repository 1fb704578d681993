//! Search: a keyword leg and a vector leg over the same passages, whose results are fused to the best of each document.
//!
//! The query is embedded from the beginning, while PostgreSQL resolves the scope and the filters and the keyword leg
//! (BM25 and document numbers) runs; the vector leg follows. A leg that fails or takes too long is left out, and the reply
//! names it. The search fails only if both legs fail.

mod filter;
mod fuse;
pub(crate) mod keyword;
mod rows;
mod vector;

use std::{future::Future, sync::Arc, time::Instant};

use analysis::terms::{self, QueryTerm, Sought};
use platform::nats::Context;
use schemas::{
    Problem, Scope,
    search::{Filters, Mode, Search, SearchReply, SearchRow},
    text,
};
use sqlx::PgConnection;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

pub use self::rows::Passage;
use self::{filter::Documents, fuse::Candidates, keyword::Keywords, vector::Nearest};
use crate::{
    app::App,
    error::Result,
    reply,
    scope::{self, Projects, Tx},
};

/// The share of the remaining time that a leg may take; the rest is for an answer from the other leg alone.
const SHARE_OF_A_LEG: f64 = 0.7;
/// How often the legs may search again.
const AGAIN: usize = 2;

/// The keys of a passage's project and of the passage.
type Place = (i32, i64);

/// Returns the keys of the projects, each once, and those of the passages. A statement that is given both reads only the
/// partitions of these projects, and few entries of their indexes: a search may be in a thousand others.
fn keys(places: impl Iterator<Item = Place>) -> (Vec<i32>, Vec<i64>) {
    let (mut projects, passages): (Vec<i32>, Vec<i64>) = places.unzip();
    projects.sort_unstable();
    projects.dedup();
    (projects, passages)
}

/// A passage that a leg found.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
pub struct Hit {
    project_key: i32,
    chunk_key: i64,
    document_key: i64,
    score: f32,
}

/// The passages found, the best first.
#[derive(Default)]
pub struct Found {
    pub passages: Vec<Passage>,
    /// The words of the query.
    pub words: Vec<QueryTerm>,
    /// The vector of the query; `None` if the vector leg did not run or was left out.
    pub vector: Option<Vec<f32>>,
    /// How rare each word is ([`keyword::Keywords::rarity`]); empty if the keyword leg was left out.
    pub rarity: Vec<f32>,
    /// The leg that was left out, if any.
    pub degraded: Option<&'static str>,
}

pub async fn search(app: App, context: Context, query: Search) -> Result<SearchReply> {
    let started = Instant::now();
    let outcome = passages(&app, &context, &query, 1, query.top_k.into()).await;
    let label = if outcome.is_ok() { "ok" } else { "failed" };
    app.metrics.queries.with_label_values(&["search", label]).inc();
    let Found { passages, words, degraded, .. } = outcome?;
    let wanted = Sought::of(&words);
    let mut rows: Vec<SearchRow> = passages.into_iter().map(|passage| passage.shown(&wanted)).collect();
    reply::keep_first(&mut rows, reply::BUDGET, |row| row);
    let reply = SearchReply { rows, degraded: degraded.map(str::to_owned).into_iter().collect() };
    app.search_log.searched(&query, &reply);
    tracing::info!(
        query = text::clip(&query.query, 50),
        results_count = reply.rows.len(),
        duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
        "search"
    );
    Ok(reply)
}

/// Returns the best passages, `top_k` at most and `per_document` at most of each document. Of these, only those of the first
/// `max_documents` documents are fetched.
pub async fn passages(
    app: &App,
    context: &Context,
    query: &Search,
    per_document: usize,
    max_documents: usize,
) -> Result<Found> {
    let time = context.time_left().unwrap_or_default().mul_f64(SHARE_OF_A_LEG).min(scope::LONGEST);
    let begun = Instant::now();
    let end = begun + time;
    let vector = (query.mode != Mode::Keyword).then(|| embed(app, &query.query));
    let (mut transaction, projects) = open(app, query, end).await?;
    let projects = &*projects;
    let documents = &Documents::matching(&mut transaction, projects, query).await?;
    if projects.chunks == 0 || documents.are_none() {
        return Ok(Found::default());
    }

    let words = terms::query_terms(&query.query);
    let query_words = &words;
    // The keyword leg hands its transaction and the keys of what it found over to the vector leg, which comes later,
    // because the query must be embedded first.
    let (hand_over, mut handed_over) = oneshot::channel();
    let keywords = async move {
        let mut transaction = transaction;
        let mut found = Keywords::default();
        if query.mode != Mode::Vector {
            let _timer = app.metrics.stage_seconds.with_label_values(&["keyword"]).start_timer();
            found = keyword::find(&mut transaction, projects, query, query_words, documents).await?;
        }
        // If the vector leg did not wait for this transaction, it ends here.
        drop(hand_over.send((transaction, found.places())));
        Ok(found)
    };
    let vectors = async {
        let Some(vector) = vector else { return Ok(None) };
        let vector = vector.await.unwrap_or_else(|ended| Err(embedding::Error::Failed(ended.to_string())))?;
        let _timer = app.metrics.stage_seconds.with_label_values(&["vector"]).start_timer();
        // The vector leg does not wait for a keyword leg that takes longer than the embedding. Closing the channel first
        // lets the keyword leg return its connection: otherwise a small pool could deadlock.
        handed_over.close();
        let (mut transaction, others, renewed) = match handed_over.try_recv() {
            Ok((transaction, others)) => (transaction, others, None),
            Err(_) => {
                let mut transaction = open(app, query, end).await?.0;
                // This one may see new documents, which must match the filters too.
                let renewed = Documents::matching(&mut transaction, projects, query).await?;
                (transaction, Vec::new(), Some(renewed))
            }
        };
        let mut nearest = Nearest::default();
        if let Some(own) = app.vectors.own(&mut transaction).await? {
            let documents = renewed.as_ref().unwrap_or(documents);
            let wanted = vector::Wanted { own, vector: &vector, documents, others: &others };
            nearest = vector::find(&mut transaction, projects, wanted).await?;
        }
        Ok(Some((vector, nearest, transaction, renewed)))
    };
    let (keywords, vectors) =
        tokio::join!(leg(app, "keyword", end, keywords), leg(app, "vector", end, vectors));
    // The results of one leg are scored as if only this leg had been requested.
    let (mut keywords, vectors, mode, degraded) = match (keywords, vectors) {
        (Ok(keywords), Ok(vectors)) => (keywords, vectors, query.mode, None),
        (Err(_), Ok(Some(vectors))) => (Keywords::default(), Some(vectors), Mode::Vector, Some("keyword")),
        (Ok(keywords), Err(_)) if query.mode == Mode::Hybrid => {
            (keywords, None, Mode::Keyword, Some("vector"))
        }
        (Err(problem), _) | (_, Err(problem)) => return Err(problem.into()),
    };

    let _timer = app.metrics.stage_seconds.with_label_values(&["rows"]).start_timer();
    let (mut transaction, vector, nearest, renewed) = match vectors {
        Some((vector, nearest, transaction, renewed)) => (transaction, Some(vector), nearest, renewed),
        None => match handed_over.try_recv() {
            Ok((transaction, _)) => (transaction, None, Nearest::default(), None),
            Err(_) => (scope::begin(&app.pool, &query.scope).await?, None, Nearest::default(), None),
        },
    };
    let compared = app.vectors.own(&mut transaction).await?.zip(vector.as_deref());
    let rarity = std::mem::take(&mut keywords.rarity);
    let collecting = Collecting {
        projects,
        documents: renewed.as_ref().unwrap_or(documents),
        query,
        words: &words,
        vector: compared,
        mode,
        per_document,
        end: begun + time / 2,
    };
    // An answer may come from a single document. If a leg was left out, the transaction may have no single snapshot, which the
    // keyword leg needs.
    let wanted = if per_document == 1 && degraded.is_none() { query.top_k.into() } else { 0 };
    let candidates = collecting.candidates(&mut transaction, keywords, nearest, wanted).await?;
    let best = candidates.rank(query, mode, per_document, max_documents);
    // Only an answer takes several passages of a document, and it is chosen by their sentences' similarity to the query.
    let sentences_of = compared.filter(|_| per_document > 1).map(|(model, _)| model);
    let passages = rows::fetch(&mut transaction, projects, &best, sentences_of).await?;
    Ok(Found { passages, words, vector, rarity, degraded })
}

/// A search whose query is embedded.
struct Collecting<'a> {
    projects: &'a Projects,
    documents: &'a Documents,
    query: &'a Search,
    words: &'a [QueryTerm],
    /// The number of the model and the vector that it made of the query, if the vector leg has run.
    vector: Option<(i16, &'a [f32])>,
    /// The scores that count.
    mode: Mode,
    /// Maximum number of passages of a document among the results.
    per_document: usize,
    /// The legs do not search again after this time: it may take them as long as the first time.
    end: Instant,
}

impl<'a> Collecting<'a> {
    /// Returns the passages that the legs found. A document may have so many of them that a leg found hardly any other: as long as
    /// there are fewer documents than are wanted, the legs search again without those found so far.
    async fn candidates(
        &self,
        tx: &mut PgConnection,
        mut keywords: Keywords<'a>,
        mut nearest: Nearest,
        wanted: usize,
    ) -> sqlx::Result<Candidates> {
        let mut candidates = Candidates::default();
        self.add(tx, &mut candidates, &mut keywords, &nearest).await?;
        for _ in 0..AGAIN {
            // Besides the nearest passages, the hits may include those of the keyword leg.
            let is_full = keywords.is_full() || nearest.hits.len() >= vector::NEAREST;
            if wanted == 0 || !is_full || Instant::now() > self.end {
                break;
            }
            let found = candidates.documents();
            if found.len() >= wanted {
                break;
            }
            let rest = self.documents.without(&found);
            if rest.are_none() || !rest.exist(tx, self.projects).await? {
                break;
            }
            keywords = match self.mode {
                Mode::Vector => Keywords::default(),
                _ => keyword::find(tx, self.projects, self.query, self.words, &rest).await?,
            };
            nearest = match self.vector {
                Some((own, vector)) => {
                    let others = &keywords.places();
                    let wanted = vector::Wanted { own, vector, documents: &rest, others };
                    vector::find(tx, self.projects, wanted).await?
                }
                None => Nearest::default(),
            };
            self.add(tx, &mut candidates, &mut keywords, &nearest).await?;
        }
        Ok(candidates)
    }

    async fn add(
        &self,
        tx: &mut PgConnection,
        candidates: &mut Candidates,
        keywords: &mut Keywords<'_>,
        nearest: &Nearest,
    ) -> sqlx::Result<()> {
        candidates.add_keywords(&keywords.passages);
        candidates.add_numbers(self.query, &keywords.numbers);
        for Hit { project_key, chunk_key, document_key, score } in &nearest.hits {
            candidates.add((*project_key, *chunk_key), *document_key, Some(*score));
        }
        let others = candidates.unknown(self.query, self.mode, self.per_document, nearest.most_of_others);
        for (project, passage, document, similarity) in vector::look_up(tx, self.vector, &others).await? {
            candidates.add((project, passage), document, similarity);
        }
        // The keyword leg returns only the best, and what the vector leg found may have words of the query too.
        if let Some(most) = keywords.most_of_others() {
            let undecided = candidates.undecided(self.query, self.mode, self.per_document, most);
            let scored = keywords.score(tx, undecided).await?;
            candidates.add_keywords(&scored);
        }
        Ok(())
    }
}

/// Runs a leg and returns its results, unless it fails or takes too long.
async fn leg<T>(
    app: &App,
    name: &str,
    end: Instant,
    work: impl Future<Output = Result<T>>,
) -> Result<T, Problem> {
    let found = tokio::time::timeout_at(end.into(), work).await.unwrap_or_else(|_| {
        tracing::warn!(leg = name, "a leg of a search took too long");
        Err(Problem::timeout().into())
    });
    found.map_err(|error| {
        app.metrics.degraded.with_label_values(&[name]).inc();
        Problem::from(error)
    })
}

/// Starts to embed a query. Dropping the handle gives it up.
fn embed(app: &App, query: &str) -> AbortOnDropHandle<Result<Vec<f32>, embedding::Error>> {
    let (model, query) = (app.model.clone(), query.to_owned());
    let stages = app.metrics.stage_seconds.clone();
    let embedding = async move {
        let _timer = stages.with_label_values(&["embed"]).start_timer();
        model.query(&query).await
    };
    AbortOnDropHandle::new(tokio::spawn(embedding.in_current_span()))
}

/// Begins the transaction of a leg. PostgreSQL cancels its statements when the time of the leg is over.
async fn open(app: &App, query: &Search, end: Instant) -> sqlx::Result<(Tx, Arc<Projects>)> {
    app.recent.begin_search(&app.pool, query, end.saturating_duration_since(Instant::now())).await
}

/// A search of both legs for passages of all documents in the scope.
pub fn hybrid(scope: Scope, query: &str, top_k: u8) -> Search {
    Search {
        scope,
        query: query.to_owned(),
        top_k,
        mode: Mode::Hybrid,
        strict: false,
        filters: Filters::default(),
        document_id: None,
    }
}

/// Runs one search, which warms up the statements, the connections and the model.
pub async fn warm_up(app: &App) -> anyhow::Result<()> {
    let query = hybrid(Scope::All, "impermeabilización de la cubierta 000400", 1);
    passages(app, &Context::new("warm-up"), &query, 1, 1).await?;
    Ok(())
}
