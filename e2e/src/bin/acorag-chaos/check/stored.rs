//! The content of the index and the streams, read without the services.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result};
use async_nats::jetstream::{self, stream::RawMessageErrorKind};
use futures::TryStreamExt as _;
use schemas::{DocumentId, ProjectId, event::EventKind, subjects};
use sqlx::PgPool;

use crate::report::Violation;

type Key = (ProjectId, DocumentId);

pub struct Stored {
    /// The documents with dead letters, each with its reason.
    pub dead: HashMap<Key, String>,
    /// The subjects of all events.
    events: HashSet<String>,
    pub violations: Vec<(Violation, String)>,
}

/// Statements that must return no rows, and the violation if they do.
const MUST_BE_EMPTY: [(Violation, &str, &str); 7] = [
    (
        Violation::Duplicated,
        "a passage is there twice",
        "SELECT d.id FROM chunk c JOIN document d ON d.key = c.document_key
         GROUP BY d.id, c.document_key, c.ordinal HAVING count(*) > 1",
    ),
    (
        Violation::Wrong,
        "passages and the document's own count differ",
        "SELECT d.id FROM document d,
                LATERAL (SELECT count(*) AS chunks, coalesce(sum(terms), 0) AS terms FROM chunk
                         WHERE document_key = d.key) AS c
         WHERE d.chunks <> c.chunks OR d.terms <> c.terms",
    ),
    (
        Violation::Lost,
        "an ordinal is missing",
        "SELECT d.id FROM chunk c JOIN document d ON d.key = c.document_key
         GROUP BY d.key, d.id HAVING max(c.ordinal) + 1 <> count(DISTINCT c.ordinal)",
    ),
    (
        Violation::Wrong,
        "a document that is not indexed has passages",
        "SELECT d.id FROM document d WHERE d.state <> 'indexed' AND EXISTS (SELECT 1 FROM chunk WHERE document_key = d.key)",
    ),
    (
        Violation::Wrong,
        "a project's sums differ from its passages",
        "SELECT p.id FROM project p,
                LATERAL (SELECT count(*) AS chunks, coalesce(sum(terms), 0) AS terms FROM chunk
                         WHERE project_key = p.key) AS c
         WHERE p.chunks <> c.chunks OR p.terms <> c.terms",
    ),
    (
        Violation::Wrong,
        "a passage without its vector",
        "SELECT d.id FROM chunk c JOIN document d ON d.key = c.document_key
         WHERE NOT EXISTS (SELECT FROM embedding WHERE project_key = c.project_key AND chunk_key = c.key)",
    ),
    (
        Violation::Stuck,
        "an import's record has no outcome",
        "SELECT document_id FROM import_record WHERE outcome IS NULL",
    ),
];

impl Stored {
    pub async fn read(jetstream: &jetstream::Context, pool: &PgPool) -> Result<Self> {
        let mut violations = Vec::new();
        for (violation, meaning, statement) in MUST_BE_EMPTY {
            let found: Vec<String> = sqlx::query_scalar(statement).fetch_all(pool).await.context(meaning)?;
            violations.extend(found.into_iter().map(|id| (violation, format!("{meaning}: {id}"))));
        }
        // One snapshot of `posting` and `posting_pending`, because a merge moves words from one table to the
        // other.
        let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let projects: Vec<i32> = sqlx::query_scalar("SELECT key FROM project").fetch_all(&mut *tx).await?;
        for project in projects {
            for passage in documents::index::wrong(&mut tx, project).await? {
                let meaning = format!("a passage's words differ from its length: {passage}");
                violations.push((Violation::Wrong, meaning));
            }
        }
        Ok(Self { dead: dead_letters(jetstream).await?, events: events(jetstream).await?, violations })
    }

    pub fn has_event(&self, project: &ProjectId, id: &DocumentId, kind: EventKind) -> bool {
        self.events.contains(&subjects::event(project, id, kind))
    }
}

async fn events(jetstream: &jetstream::Context) -> Result<HashSet<String>> {
    let stream = jetstream.get_stream(subjects::EVENTS_STREAM).await?;
    let subjects = stream.info_with_subjects(subjects::EVENTS_ALL).await?;
    Ok(subjects.map_ok(|(subject, _)| subject).try_collect().await?)
}

async fn dead_letters(jetstream: &jetstream::Context) -> Result<HashMap<Key, String>> {
    let stream = jetstream.get_stream(subjects::DEAD_LETTERS_STREAM).await?;
    let state = &stream.cached_info().state;
    let mut dead = HashMap::new();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = match stream.get_raw_message(sequence).await {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => continue,
            Err(error) => return Err(error.into()),
        };
        let header = |name: &str| message.headers.get(name).map(|value| value.as_str().to_owned());
        let subject = header(schemas::headers::DEAD_SUBJECT).context("a dead letter without its subject")?;
        let reason = header(schemas::headers::DEAD_REASON).unwrap_or_default();
        dead.insert(subjects::parse_job(&subject)?, reason);
    }
    Ok(dead)
}
