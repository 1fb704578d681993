//! Search: two legs over the same passages, fused, the best passage of each document.
//!
//! The keyword leg (BM25 and document numbers) runs while the query is being embedded; the vector leg follows. A leg
//! that fails or takes too long is left out and the reply says so. Only when both fail does the search.

mod filter;
mod fuse;
pub(crate) mod keyword;
mod rows;
mod vector;

use std::{future::Future, time::Duration, time::Instant};

use platform::nats::Context;
use schemas::{
    Problem, Scope,
    search::{Filters, Mode, Search, SearchReply},
    text,
};
use sqlx::{Postgres, Transaction};

pub use self::rows::Passage;
use self::{fuse::Candidates, keyword::Keywords};
use crate::{
    app::App,
    error::Result,
    scope::{self, Projects},
};

/// Set on every connection. A filter may hide most neighbours, so the vector index is scanned until enough are left. Each
/// statement is planned for its own parameters: a small project needs another plan than a large one.
pub const SETTINGS: [(&str, &str); 5] = [
    ("role", scope::QUERY_ROLE),
    ("hnsw.ef_search", "200"),
    ("hnsw.iterative_scan", "relaxed_order"),
    ("plan_cache_mode", "force_custom_plan"),
    ("jit", "off"),
];

/// Passages that the keyword leg brings: enough that a document's several passages do not crowd others out.
const CANDIDATES: i64 = 200;

/// The share of the asker's patience that a leg may take. The rest is for answering from the other leg alone.
const SHARE_OF_A_LEG: f64 = 0.7;
/// A leg's time when the asker has more patience, or sets no limit.
const LONGEST_LEG: Duration = Duration::from_secs(30);

/// A passage that a leg found.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
pub struct Hit {
    chunk_key: i64,
    document_key: i64,
    score: f32,
}

/// The best passages first, and the leg that was left out, if any.
#[derive(Default)]
pub struct Found {
    pub passages: Vec<Passage>,
    degraded: Option<&'static str>,
}

pub async fn search(app: App, context: Context, query: Search) -> Result<SearchReply> {
    let started = Instant::now();
    let outcome = passages(&app, &context, &query, 1).await;
    let label = if outcome.is_ok() { "ok" } else { "failed" };
    app.metrics.queries.with_label_values(&["search", label]).inc();
    let Found { passages, degraded } = outcome?;
    let rows = passages.into_iter().map(|passage| passage.row).collect();
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

/// A search that brings up to `per_document` passages of each document, `top_k` in all. Chat retrieves with it: the
/// answer may be in a document's second-best passage.
pub async fn passages(app: &App, context: &Context, query: &Search, per_document: usize) -> Result<Found> {
    let time = context.time_left().unwrap_or_default().mul_f64(SHARE_OF_A_LEG).min(LONGEST_LEG);
    let end = Instant::now() + time;
    let mut transaction = open(app, &query.scope, end).await?;
    let projects = &scope::projects(&mut transaction).await?;
    let documents = filter::documents(&mut transaction, projects, query).await?;
    let documents = documents.as_deref();
    if projects.chunks == 0 || documents.is_some_and(<[i64]>::is_empty) {
        return Ok(Found::default());
    }

    // Each leg has its own connection and gives it back when it is done. If the keyword leg kept its connection while
    // the vector leg waits for one, a small pool would lock up.
    let keywords = async move {
        let mut transaction = transaction;
        if query.mode == Mode::Vector {
            return Ok(Keywords::default());
        }
        let _timer = app.metrics.stage_seconds.with_label_values(&["keyword"]).start_timer();
        Ok(keyword::find(&mut transaction, projects, &query.query, documents).await?)
    };
    let vectors = async {
        if query.mode == Mode::Keyword {
            return Ok(None);
        }
        nearest(app, query, projects, documents, end).await.map(Some)
    };
    let (keywords, vectors) =
        tokio::join!(leg(app, "keyword", end, keywords), leg(app, "vector", end, vectors));
    // What one leg found is scored as if the other had not been asked for.
    let (keywords, vectors, mode, degraded) = match (keywords, vectors) {
        (Ok(keywords), Ok(vectors)) => (keywords, vectors, query.mode, None),
        (Err(_), Ok(Some(vectors))) => (Keywords::default(), Some(vectors), Mode::Vector, Some("keyword")),
        (Ok(keywords), Err(_)) if query.mode == Mode::Hybrid => {
            (keywords, None, Mode::Keyword, Some("vector"))
        }
        (Err(problem), _) | (_, Err(problem)) => return Err(problem.into()),
    };

    let _timer = app.metrics.stage_seconds.with_label_values(&["rows"]).start_timer();
    let mut candidates = Candidates::of(&keywords);
    let (mut transaction, vector) = match vectors {
        Some(Nearest { vector, hits, transaction }) => {
            candidates.add_vectors(&hits);
            (transaction, Some(vector))
        }
        None => (scope::begin(&app.pool, &query.scope).await?, None),
    };
    let others = candidates.without_vector();
    for (chunk, document, similarity) in
        vector::look_up(&mut transaction, projects, vector.as_deref(), &others).await?
    {
        candidates.add(chunk, document, similarity);
    }
    let best = candidates.rank(query, mode, per_document);
    let passages = rows::fetch(&mut transaction, projects, &query.query, &best).await?;
    Ok(Found { passages, degraded })
}

/// What a leg finds, unless it fails or takes too long.
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

/// The query's vector, the passages nearest to it, and the transaction that found them, which goes on.
struct Nearest {
    vector: Vec<f32>,
    hits: Vec<Hit>,
    transaction: Transaction<'static, Postgres>,
}

async fn nearest(
    app: &App,
    query: &Search,
    projects: &Projects,
    documents: Option<&[i64]>,
    end: Instant,
) -> Result<Nearest> {
    let timer = app.metrics.stage_seconds.with_label_values(&["embed"]).start_timer();
    let vector = app.model.query(&query.query).await?;
    timer.observe_duration();
    let _timer = app.metrics.stage_seconds.with_label_values(&["vector"]).start_timer();
    let mut transaction = open(app, &query.scope, end).await?;
    let hits = vector::find(&mut transaction, projects, &vector, documents).await?;
    Ok(Nearest { vector, hits, transaction })
}

/// A leg's transaction. PostgreSQL stops its statements when the leg's time is over.
async fn open(app: &App, scope: &Scope, end: Instant) -> sqlx::Result<Transaction<'static, Postgres>> {
    scope::begin_reading(&app.pool, scope, end.saturating_duration_since(Instant::now())).await
}

/// A search for passages of whatever documents the scope holds.
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

/// Runs one search, so that the statements, the connections and the model are warm.
pub async fn warm_up(app: &App) -> anyhow::Result<()> {
    let query = hybrid(Scope::All, "impermeabilización de la cubierta 000400", 1);
    passages(app, &Context::new("warm-up"), &query, 1).await?;
    Ok(())
}
