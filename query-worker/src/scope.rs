//! The scope of a transaction (see [`documents::scope`]).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use documents::scope::Settings;
pub use documents::scope::{Projects, Tx, among, for_projects, projects};
use platform::{lock::lock, nats::Context, postgres::Mode};
use schemas::{ProjectId, Scope, search::Search};
use sqlx::PgPool;

/// The settings of every transaction. A filter may exclude most neighbours, so the vector index is scanned until enough
/// are found. Each statement is planned for its own parameters, because small and large projects need different plans
/// (except for [`PLANNED_ONCE`]). No statement is worth a parallel plan: starting its processes took 10 ms.
pub const SETTINGS: &Settings<'static> = &[
    ("role", "acorag_query"),
    ("hnsw.iterative_scan", "relaxed_order"),
    ("plan_cache_mode", "force_custom_plan"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
];

/// What a search in one project or in all, without filters, sets besides. Its statements find their rows by keys, whatever
/// the size of the projects, so they are planned once; planning each of them anew took two fifths of PostgreSQL's time. The
/// vector leg writes what its plan depends on into the statement. Such a plan is made without the values, and perhaps before
/// the tables have grown, so it must not read whole tables.
const PLANNED_ONCE: &Settings<'static> = &[
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// Maximum time of a statement, and of a leg of a search, also if the caller sets no deadline.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Opens a transaction that sees only the projects of `scope`.
pub async fn begin(pool: &PgPool, scope: &Scope) -> sqlx::Result<Tx> {
    documents::scope::begin_as(pool, SETTINGS, scope).await
}

/// How long what is known of a project is used again. Its key never changes, and its size need not be exact: PostgreSQL
/// reads the passages themselves anew in each search.
const RECENT: Duration = Duration::from_secs(1);
/// Maximum number of projects that are remembered.
const REMEMBERED: usize = 1_000;

/// The projects in which somebody searched in the last second: a search in one of them needs one round trip less.
#[derive(Clone, Default)]
pub struct Recent(Arc<Mutex<HashMap<ProjectId, Known>>>);

/// What is known of a project, and since when.
type Known = (Instant, Arc<Projects>);

impl Recent {
    /// Opens a read-only transaction with one snapshot for a search, whose statements end after `time`; returns its projects
    /// too.
    pub async fn begin_search(
        &self,
        pool: &PgPool,
        query: &Search,
        time: Duration,
    ) -> sqlx::Result<(Tx, Arc<Projects>)> {
        let one = match &query.scope {
            Scope::Projects(projects) if projects.len() == 1 => projects.first(),
            _ => None,
        };
        let planned_once = (one.is_some() || query.scope == Scope::All)
            && query.filters.is_empty()
            && query.document_id.is_none();
        let known = one.and_then(|project| self.get(project));
        let mut settings = with(if planned_once { PLANNED_ONCE } else { &[] });
        settings.extend(known.iter().flat_map(|known| known.settings()));
        let mut tx = documents::scope::begin_reading(pool, &settings, &query.scope, time).await?;
        if let Some(known) = known {
            return Ok((tx, known));
        }
        let found = Arc::new(projects(&mut tx).await?);
        // A project that was just created is looked up until it has its first passages.
        if let Some(project) = one
            && found.chunks > 0
        {
            self.remember(project, &found);
        }
        Ok((tx, found))
    }

    fn get(&self, project: &ProjectId) -> Option<Arc<Projects>> {
        let recent = lock(&self.0);
        recent.get(project).filter(|(since, _)| since.elapsed() < RECENT).map(|(_, found)| found.clone())
    }

    fn remember(&self, project: &ProjectId, found: &Arc<Projects>) {
        let mut recent = lock(&self.0);
        if recent.len() >= REMEMBERED {
            recent.retain(|_, (since, _)| since.elapsed() < RECENT);
        }
        if recent.len() < REMEMBERED {
            recent.insert(project.clone(), (Instant::now(), found.clone()));
        }
    }
}

/// Opens a read-only transaction with one snapshot, whose statements end at the caller's deadline,
/// and after [`LONGEST`] at the latest.
pub async fn begin_reading_for(pool: &PgPool, scope: &Scope, context: &Context) -> sqlx::Result<Tx> {
    let time = context.time_left().unwrap_or_default().min(LONGEST);
    documents::scope::begin_reading(pool, SETTINGS, scope, time).await
}

/// Opens a transaction that sees the projects of `scope` and the turns of one caller.
pub async fn begin_for(pool: &PgPool, scope: &Scope, caller: &str) -> sqlx::Result<Tx> {
    documents::scope::begin_as(pool, &with(&[("acorag.caller", caller)]), scope).await
}

/// Opens a transaction that sees no project. By the settings `named`, such as a token, policies find single rows.
pub async fn begin_without_projects(pool: &PgPool, named: &Settings<'_>) -> sqlx::Result<Tx> {
    Box::pin(platform::postgres::begin(pool, Mode::Write, &with(named))).await
}

fn with<'a>(named: &Settings<'a>) -> Vec<(&'static str, &'a str)> {
    let settings: &Settings<'a> = SETTINGS;
    settings.iter().chain(named).copied().collect()
}
