//! Search: two legs over the same passages, fused, the best passage of each document.
//!
//! The keyword leg (BM25 and document numbers) runs while the query is being embedded; the vector leg follows. A leg
//! that fails is left out and the reply says so. Only when both fail does the search.

mod filter;
mod fuse;
mod keyword;
mod rows;
mod snippet;
mod vector;

use std::time::Instant;

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

/// A passage that a leg found.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
struct Hit {
    chunk_key: i64,
    document_key: i64,
    score: f32,
}

pub async fn search(app: App, _: Context, query: Search) -> Result<SearchReply, Problem> {
    let started = Instant::now();
    let outcome = run(&app, &query).await;
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

/// A search from start to end: the best passage of each document.
pub async fn run(app: &App, query: &Search) -> Result<SearchReply, Problem> {
    passages(app, query, 1).await
}

/// A search that brings up to `per_document` passages of each document, `top_k` in all. Chat retrieves with it: the
/// answer may be in a document's second-best passage.
pub async fn passages(app: &App, query: &Search, per_document: usize) -> Result<SearchReply, Problem> {
    let words = analysis::terms::query_terms(&query.query);
    let mut keyword_scope = open(app, &query.scope).await?;
    let projects = scope::projects(&mut keyword_scope).await.map_err(|error| scope::problem(&error))?;
    if projects.chunks == 0 {
        return Ok(SearchReply::default());
    }
    let documents = filter::documents(&mut keyword_scope, &projects, query)
        .await
        .map_err(|error| scope::problem(&error))?;
    let documents = documents.as_deref();
    if documents.is_some_and(<[i64]>::is_empty) {
        return Ok(SearchReply::default());
    }

    let keywords = async {
        if query.mode == Mode::Vector {
            return Ok(keyword::Found::default());
        }
        let _timer = app.metrics.stage_seconds.with_label_values(&["keyword"]).start_timer();
        keyword::find(&mut keyword_scope, &projects, query, &words, documents).await
    };
    let vectors = async {
        if query.mode == Mode::Keyword {
            return Ok(None);
        }
        nearest(app, query, &projects, documents).await.map(Some)
    };
    let (keywords, vectors) = tokio::join!(keywords, vectors);
    drop(keyword_scope);

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
    let (keywords, vectors) = match (keywords, vectors) {
        (Err(problem), Err(_)) => return Err(problem),
        (Err(problem), Ok(None)) | (Ok(_), Err(problem)) if query.mode != Mode::Hybrid => {
            return Err(problem);
        }
        (keywords, vectors) => (keywords.unwrap_or_default(), vectors.unwrap_or_default()),
    };

    let _timer = app.metrics.stage_seconds.with_label_values(&["rows"]).start_timer();
    let mut transaction = open(app, &query.scope).await?;
    let rows = fuse::fuse(&mut transaction, query, keywords, vectors, per_document)
        .await
        .map_err(|error| scope::problem(&error))?;
    Ok(SearchReply { rows, degraded })
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
) -> Result<Nearest, Problem> {
    let vector = {
        let _timer = app.metrics.stage_seconds.with_label_values(&["embed"]).start_timer();
        app.model.query(&query.query).await.map_err(|error| {
            tracing::warn!(%error, "embedding a query");
            if error.is_transient() { Problem::overloaded() } else { Problem::internal() }
        })?
    };
    let _timer = app.metrics.stage_seconds.with_label_values(&["vector"]).start_timer();
    let mut transaction = open(app, &query.scope).await?;
    let hits = vector::find(&mut transaction, projects, &vector, documents)
        .await
        .map_err(|error| scope::problem(&error))?;
    Ok(Nearest { vector, hits })
}

async fn open(app: &App, scope: &Scope) -> Result<Transaction<'static, Postgres>, Problem> {
    scope::begin(&app.pool, scope).await.map_err(|error| scope::problem(&error))
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
    run(app, &query).await.map(|_| ()).map_err(|problem| anyhow::anyhow!(problem.detail.en))
}
