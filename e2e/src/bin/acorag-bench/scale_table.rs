//! The results of `--large`: two tables in Markdown, and curves.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use sqlx::PgPool;

use crate::plot::{Curve, Plot};

/// What was measured with one number of passages and projects.
pub struct Step {
    pub bytes: Bytes,
    /// Passages written in a second, and the seconds in which their vectors were indexed.
    pub rate: f64,
    pub indexing: f64,
    /// Megabytes of PostgreSQL after the searches (PSS).
    pub memory: f64,
    pub lines: Vec<Line>,
}

/// Searches of one kind; times in milliseconds.
pub struct Line {
    pub searched: &'static str,
    pub p50: f64,
    pub p95: f64,
    pub keyword: f64,
    pub vector: f64,
    pub rows: f64,
    pub recall: f64,
    /// PostgreSQL's processor time of a search.
    pub postgres: f64,
}

/// Bytes per passage of the tables including their indexes.
#[derive(Clone, Copy, sqlx::FromRow)]
pub struct Bytes {
    pub passages: i64,
    pub projects: i64,
    pub text: f64,
    pub words: f64,
    pub vectors: f64,
}

impl Bytes {
    pub async fn read(pool: &PgPool) -> Result<Self> {
        sqlx::query_as(
            "WITH sizes AS (
                 SELECT CASE WHEN relname LIKE 'posting%' THEN 'words' WHEN relname ~ '^(embedding|sentence)' THEN 'vectors'
                             ELSE 'text' END AS kind, sum(pg_total_relation_size(oid))::float8 AS bytes
                 FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                   AND relname ~ '^(chunk|posting|embedding|sentence|document)(_|$)' AND relname <> 'embedding_model'
                 GROUP BY kind),
             counts AS (SELECT count(*) AS projects, sum(chunks)::bigint AS passages FROM project)
             SELECT passages, projects,
                    (SELECT bytes FROM sizes WHERE kind = 'text') / passages AS text,
                    (SELECT bytes FROM sizes WHERE kind = 'words') / passages AS words,
                    (SELECT bytes FROM sizes WHERE kind = 'vectors') / passages AS vectors
             FROM counts",
        )
        .fetch_one(pool)
        .await
        .context("the sizes of the tables")
    }
}

pub fn table(steps: &[Step]) -> String {
    let mut text = "| passages | projects | searched | p50 | p95 | keyword leg | vector leg | rows | recall@10 | PostgreSQL's processor time |\n|---|---|---|---|---|---|---|---|---|---|\n".to_owned();
    for step in steps {
        let Bytes { passages, projects, .. } = step.bytes;
        for line in &step.lines {
            let Line { searched, p50, p95, keyword, vector, rows, recall, postgres } = line;
            let _ = writeln!(
                text,
                "| {passages} | {projects} | {searched} | {p50:.1} ms | {p95:.1} ms | {keyword:.1} ms | {vector:.1} ms | {rows:.1} ms | {recall:.3} | {postgres:.1} ms |"
            );
        }
    }
    text.push_str("\n| passages | projects | bytes a passage: text, words, vectors | written | vectors indexed in | memory of PostgreSQL |\n|---|---|---|---|---|---|\n");
    for Step { bytes, rate, indexing, memory, .. } in steps {
        let Bytes { passages, projects, text: texts, words, vectors } = bytes;
        let indexed = if *indexing < 1.0 { "one by one".to_owned() } else { format!("{indexing:.0} s") };
        let _ = writeln!(
            text,
            "| {passages} | {projects} | {texts:.0}, {words:.0}, {vectors:.0} | {rate:.0}/s | {indexed} | {memory:.0} MB |"
        );
    }
    text
}

/// Curves over the number of passages: whole searches, and the two legs in the large project.
pub fn plot(steps: &[Step]) -> Plot {
    let of = |searched: &str, value: fn(&Line) -> f64| {
        let points = steps.iter().flat_map(|step| {
            let lines = step.lines.iter().filter(|line| line.searched == searched);
            lines.map(|line| (step.bytes.passages as f64, value(line)))
        });
        points.collect()
    };
    let curves = vec![
        Curve { name: "a search in the large project", points: of("the large project", |line| line.p50) },
        Curve { name: "a search in a project of 1,000", points: of("a project of 1,000", |line| line.p50) },
        Curve { name: "a search in all projects", points: of("all", |line| line.p50) },
        Curve { name: "keyword leg, large project", points: of("the large project", |line| line.keyword) },
        Curve { name: "vector leg, large project", points: of("the large project", |line| line.vector) },
    ];
    let axes = ["passages", "ms (median of one client)"];
    Plot { title: "Time of a search by the number of passages", axes, logarithmic: true, curves }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_its_searches_and_its_sizes() {
        let line = Line {
            searched: "all",
            p50: 20.0,
            p95: 30.0,
            keyword: 3.0,
            vector: 4.0,
            rows: 5.0,
            recall: 0.99,
            postgres: 6.0,
        };
        let bytes = Bytes { passages: 10_000, projects: 3, text: 900.0, words: 700.0, vectors: 2_000.0 };
        let step = Step { bytes, rate: 8_000.0, indexing: 0.2, memory: 300.0, lines: vec![line] };
        let text = table(&[step]);
        assert!(text.contains("| 10000 | 3 | all | 20.0 ms | 30.0 ms |"), "{text}");
        assert!(text.contains("| 10000 | 3 | 900, 700, 2000 | 8000/s | one by one | 300 MB |"), "{text}");
    }
}
