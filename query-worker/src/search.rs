//! Search: two legs over the same passages, fused, the best passage of each document.
//!
//! The keyword leg (BM25 and document numbers) runs while the query is being embedded; the vector leg follows. A leg
//! that fails or takes too long is left out and the reply says so. Only when both fail does the search.

mod filter;
mod fuse;
mod keyword;
mod rows;
mod snippet;
mod vector;

use std::{future::Future, time::Duration, time::Instant};

use platform::nats::Context;
use schemas::{
    Problem, Scope,
    search::{Mode, Search, SearchReply},
};
use sqlx::{Postgres, Transaction};

use crate::{
    app::App,
    scope::{self, Projects},
};

/// Set on every connection. A filter may hide most neighbours, so the index goes on until it has found enough; and a
/// plan must fit its parameters: a small project wants another one than a large.
pub const SETTINGS: [(&str, &str); 5] = [
    ("role", scope::ROLE),
    ("hnsw.ef_search", "100"),
    ("hnsw.iterative_scan", "relaxed_order"),
    ("plan_cache_mode", "force_custom_plan"),
    ("jit", "off"),
];

/// Passages each leg brings: enough that a document's several passages do not crowd others out.
const CANDIDATES: i64 = 200;

/// How much of the asker's patience a leg may take. The rest is for the answer from the other one.
const SHARE_OF_A_LEG: f64 = 0.7;
/// A leg's time when the asker has more patience, or sets no limit.
const LONGEST_LEG: Duration = Duration::from_secs(30);

/// A passage that a leg found.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
struct Hit {
    chunk_key: i64,
    document_key: i64,
    score: f32,
}

pub async fn search(app: App, context: Context, query: Search) -> Result<SearchReply, Problem> {
    let started = Instant::now();
    let outcome = passages(&app, &context, &query, 1).await;
    let label = if outcome.is_ok() { "ok" } else { "failed" };
    app.metrics.queries.with_label_values(&["search", label]).inc();
    let reply = outcome?;
    app.search_log.searched(&query, &reply);
    tracing::info!(
        query = query.query.chars().take(50).collect::<String>(),
        results_count = reply.rows.len(),
        duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
        "search"
    );
    Ok(reply)
}

/// A search that brings up to `per_document` passages of each document, `top_k` in all. Chat retrieves with it: the
/// answer may be in a document's second-best passage.
pub async fn passages(
    app: &App,
    context: &Context,
    query: &Search,
    per_document: usize,
) -> Result<SearchReply, Problem> {
    let time = context.time_left().unwrap_or_default().mul_f64(SHARE_OF_A_LEG).min(LONGEST_LEG);
    let end = Instant::now() + time;
    let words = &analysis::terms::query_terms(&query.query);
    let mut transaction = open(app, &query.scope, end).await?;
    let projects = &scope::projects(&mut transaction).await.map_err(|error| scope::problem(&error))?;
    if projects.chunks == 0 {
        return Ok(SearchReply::default());
    }
    let documents =
        filter::documents(&mut transaction, projects, query).await.map_err(|error| scope::problem(&error))?;
    let documents = documents.as_deref();
    if documents.is_some_and(<[i64]>::is_empty) {
        return Ok(SearchReply::default());
    }

    // Each leg owns its connection and gives it back when it is done: one that waits for the other's would lock both up.
    let keywords = async move {
        let mut transaction = transaction;
        if query.mode == Mode::Vector {
            return Ok(keyword::Found::default());
        }
        let _timer = app.metrics.stage_seconds.with_label_values(&["keyword"]).start_timer();
        keyword::find(&mut transaction, projects, query, words, documents).await
    };
    let vectors = async {
        if query.mode == Mode::Keyword {
            return Ok(None);
        }
        nearest(app, query, projects, documents, end).await.map(Some)
    };
    let (keywords, vectors) =
        tokio::join!(in_time("keyword", end, keywords), in_time("vector", end, vectors));

    let mut degraded = Vec::new();
    if keywords.is_err() {
        degraded.push("keyword".to_owned());
    }
    if vectors.is_err() {
        degraded.push("vector".to_owned());
    }
    for leg in &degraded {
        app.metrics.degraded.with_label_values(&[leg]).inc();
    }
    // What is there is scored as if nothing else had been asked for.
    let mode = match (&keywords, &vectors) {
        (Err(_), _) => Mode::Vector,
        (_, Err(_)) => Mode::Keyword,
        (Ok(_), Ok(_)) => query.mode,
    };
    let (keywords, vectors) = match (keywords, vectors) {
        (Err(problem), Err(_)) => return Err(problem),
        (Err(problem), Ok(None)) | (Ok(_), Err(problem)) if query.mode != Mode::Hybrid => {
            return Err(problem);
        }
        (keywords, vectors) => (keywords.unwrap_or_default(), vectors.unwrap_or_default()),
    };

    let _timer = app.metrics.stage_seconds.with_label_values(&["rows"]).start_timer();
    let mut transaction =
        scope::begin(&app.pool, &query.scope).await.map_err(|error| scope::problem(&error))?;
    let rows = fuse::fuse(&mut transaction, query, mode, keywords, vectors, per_document)
        .await
        .map_err(|error| scope::problem(&error))?;
    Ok(SearchReply { rows, degraded })
}

/// What a leg finds, unless that takes too long.
async fn in_time<T>(
    leg: &str,
    end: Instant,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::time::timeout_at(end.into(), work).await.unwrap_or_else(|_| {
        tracing::warn!(leg, "a leg of a search took too long");
        Err(Problem::timeout())
    })
}

/// The query's vector and the passages nearest to it.
struct Nearest {
    vector: Vec<f32>,
    hits: Vec<Hit>,
}

async fn nearest(
    app: &App,
    query: &Search,
    projects: &Projects,
    documents: Option<&[i64]>,
    end: Instant,
) -> Result<Nearest, Problem> {
    let vector = {
        let _timer = app.metrics.stage_seconds.with_label_values(&["embed"]).start_timer();
        app.model.query(&query.query).await.map_err(|error| {
            tracing::warn!(%error, "embedding a query");
            if error.is_transient() { Problem::overloaded() } else { Problem::internal() }
        })?
    };
    let _timer = app.metrics.stage_seconds.with_label_values(&["vector"]).start_timer();
    let mut transaction = open(app, &query.scope, end).await?;
    let hits = vector::find(&mut transaction, projects, &vector, documents)
        .await
        .map_err(|error| scope::problem(&error))?;
    Ok(Nearest { vector, hits })
}

/// A leg's transaction. The database stops its statements, too, when nobody waits for them any more.
async fn open(app: &App, scope: &Scope, end: Instant) -> Result<Transaction<'static, Postgres>, Problem> {
    let time = end.saturating_duration_since(Instant::now());
    scope::begin_within(&app.pool, scope, time).await.map_err(|error| scope::problem(&error))
}

/// Runs one search, so that the statements, the connections and the model are warm.
pub async fn warm_up(app: &App) -> anyhow::Result<()> {
    let query = Search {
        scope: Scope::All,
        query: "impermeabilización de la cubierta 000400".to_owned(),
        top_k: 1,
        mode: Mode::Hybrid,
        strict: false,
        filters: schemas::search::Filters::default(),
        document_id: None,
    };
    let reply = passages(app, &Context::new("warm-up"), &query, 1).await;
    reply.map(drop).map_err(|problem| anyhow::anyhow!(problem.detail.en))
}
