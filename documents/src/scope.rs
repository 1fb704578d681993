//! A transaction sees only the projects of its scope. Row-level security (migrations/sql/0002_walls.sql) reads the
//! scope from the transaction's settings, so it applies to every statement.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use platform::postgres::Mode;
use schemas::Scope;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

/// What a service sets at the beginning of each transaction: its role, to which row-level security applies, and how its
/// statements are planned.
pub type Settings<'a> = [(&'static str, &'a str)];

/// The settings of the ingest worker.
pub const INGEST: &Settings<'static> = &[("role", "acorag_ingest")];

pub type Tx = Transaction<'static, Postgres>;

/// A transaction about one project. Its statements run on the connection that it dereferences to.
pub struct ProjectTx {
    pub tx: Tx,
    /// The project's key.
    pub project: i32,
}

impl ProjectTx {
    pub async fn commit(self) -> sqlx::Result<()> {
        self.tx.commit().await
    }
}

impl Deref for ProjectTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for ProjectTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

/// Opens a transaction of the ingest worker that sees only the projects of `scope`.
pub async fn begin(pool: &PgPool, scope: &Scope) -> sqlx::Result<Tx> {
    begin_as(pool, INGEST, scope).await
}

/// Opens a transaction with the settings of a service that sees only the projects of `scope`.
pub async fn begin_as(pool: &PgPool, service: &Settings<'_>, scope: &Scope) -> sqlx::Result<Tx> {
    Box::pin(begin_with(pool, service, Mode::Write, scope)).await
}

/// Opens a read-only transaction with one snapshot. The server cancels a statement that takes longer than `time`, so
/// that the connection becomes free for others.
pub async fn begin_reading(
    pool: &PgPool,
    service: &Settings<'_>,
    scope: &Scope,
    time: Duration,
) -> sqlx::Result<Tx> {
    // 0 would mean no limit.
    let time = time.as_millis().max(1).to_string();
    let service = [service, &[("statement_timeout", time.as_str())]].concat();
    Box::pin(begin_with(pool, &service, Mode::ReadOneMoment, scope)).await
}

async fn begin_with(pool: &PgPool, service: &Settings<'_>, mode: Mode, scope: &Scope) -> sqlx::Result<Tx> {
    let scope = match scope {
        Scope::All => "*".to_owned(),
        Scope::Projects(projects) => {
            serde_json::to_string(projects).map_err(|error| sqlx::Error::Encode(error.into()))?
        }
    };
    let settings = [service, &[("acorag.scope", scope.as_str())]].concat();
    platform::postgres::begin(pool, mode, &settings).await
}

/// The projects of a scope, with the sums that BM25 and the choice of the search plan need.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub struct Projects {
    pub keys: Vec<i32>,
    /// The id of each project, in the order of `keys`.
    ids: Vec<String>,
    /// Number of passages of each project, in the order of `keys`.
    sizes: Vec<i64>,
    /// Whether the scope is all projects.
    pub everything: bool,
    pub chunks: i64,
    pub terms: i64,
    /// What [`projects`] noted in the transaction.
    noted_keys: String,
    noted_neighbours: String,
}

/// Returns a comparison with the projects of a parameter, in another form if there is only one project: PostgreSQL looks up
/// one value faster than a list of one, and opens only the partition of this project.
pub fn among(parameter: &str, projects: &[i32]) -> String {
    match projects {
        [_] => format!("= ({parameter}::int[])[1]"),
        _ => format!("= ANY({parameter})"),
    }
}

/// Returns a statement that compares with its projects by `= ANY($1)`, with the comparison of [`among`] instead.
pub fn for_projects(statement: &str, projects: &[i32]) -> String {
    statement.replace("= ANY($1)", &among("$1", projects))
}

/// A project with at least this many passages is given its own vector index (migrations/src/vectors.rs).
pub const LARGE: i64 = 5_000;

impl Projects {
    /// Returns the keys of the large projects, and the keys of all other projects.
    pub fn by_size(&self) -> (Vec<i32>, Vec<i32>) {
        let sized = self.keys.iter().copied().zip(self.sizes.iter().copied());
        let (large, small): (Vec<_>, Vec<_>) = sized.partition(|(_, size)| *size >= LARGE);
        let keys = |sized: Vec<(i32, i64)>| sized.into_iter().map(|(key, _)| key).collect();
        (keys(large), keys(small))
    }

    /// Returns the number of passages of a project in the scope.
    pub fn size(&self, project: i32) -> i64 {
        let sized = self.keys.iter().zip(&self.sizes);
        sized.filter(|(key, _)| **key == project).map(|(_, size)| *size).sum()
    }

    pub fn id(&self, key: i32) -> Option<&str> {
        let place = self.keys.iter().position(|known| *known == key)?;
        self.ids.get(place).map(String::as_str)
    }

    /// Returns how many passages the projects have that are not large.
    pub fn in_small(&self) -> i64 {
        self.sizes.iter().filter(|size| **size < LARGE).sum()
    }

    /// The settings that [`projects`] notes, for a transaction that begins with what is known of its projects.
    pub fn settings(&self) -> [(&'static str, &str); 2] {
        [("acorag.projects", &self.noted_keys), ("hnsw.ef_search", &self.noted_neighbours)]
    }

    pub fn average_length(&self) -> f64 {
        if self.chunks == 0 { 1.0 } else { self.terms as f64 / self.chunks as f64 }
    }
}

/// Returns the projects in the transaction's scope, and notes two things in the transaction: their keys, so that row-level
/// security does not look them up again for each statement (projects that are created later in the transaction are not in
/// scope), and how many neighbours a scan of a vector index considers. With the same number, a scan finds fewer of the
/// nearest the more vectors an index has (docs/scale.md); it is asked for 80. Projects without an index of their own share
/// eight indexes.
pub async fn projects(tx: &mut Transaction<'_, Postgres>) -> sqlx::Result<Projects> {
    sqlx::query_as(
        "SELECT keys, ids, sizes, everything, chunks, terms, set_config('acorag.projects', keys::text, true) AS noted_keys,
                set_config('hnsw.ef_search', neighbours::int::text, true) AS noted_neighbours
         FROM (SELECT coalesce(array_agg(key), '{}') AS keys, coalesce(array_agg(id), '{}') AS ids,
                      coalesce(array_agg(chunks), '{}') AS sizes,
                      coalesce(current_setting('acorag.scope', true) = '*', false) AS everything,
                      coalesce(sum(chunks), 0)::bigint AS chunks, coalesce(sum(terms), 0)::bigint AS terms,
                      least(greatest(80, 0.40 * power(greatest(max(chunks), sum(chunks) / 8)::float8, 0.56)), 1000) AS neighbours
               FROM project) AS in_scope",
    )
    .fetch_one(&mut **tx)
    .await
}
