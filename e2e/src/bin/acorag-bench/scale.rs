//! Measures how the search time grows with the number of passages: in a large project, in a small one, and in all
//! projects together.
//!
//! The large project grows, and other projects with a thousand passages each are added. For each kind of search, the
//! worker's own metrics give the time of the legs, and the ten nearest passages found by the vector leg are compared
//! with those of an exact search.

use std::{collections::HashSet, fmt::Write as _, time::Instant};

use anyhow::{Context as _, Result};
use e2e::{Client, Random, System};
use embedding::Embed as _;
use serde_json::json;
use sqlx::PgPool;

use crate::{ceiling::Ceiling, figures::percentile, fill::Fill, large, plot::Curve, stages::Stages};

const SEARCHES: usize = 100;
/// The number of searches whose nearest passages are compared with the exact ones.
const COMPARED: usize = 40;
/// The number of passages of a small project.
const SMALL: usize = 1_000;
const LARGE: &str = "the large project";
const SMALL_ONE: &str = "a small project";

/// One line of the table.
pub struct Line {
    passages: i64,
    projects: i64,
    searched: &'static str,
    p50: f64,
    keyword: f64,
    vector: f64,
    rows: f64,
    recall: f64,
    bytes: Bytes,
}

/// Bytes per passage of the tables including their indexes.
#[derive(Clone, Copy, sqlx::FromRow)]
struct Bytes {
    passages: i64,
    projects: i64,
    text: f64,
    words: f64,
    vectors: f64,
}

/// Fills the database in steps up to `most` passages, and measures after each step.
pub async fn grow(system: &System, ceiling: &Ceiling, random: &mut Random, most: usize) -> Result<Vec<Line>> {
    let pool = PgPool::connect(system.stack.database_url()).await?;
    let client = system.client()?;
    let mut lines = Vec::new();
    let steps = [(10_000, 0), (40_000, 20), (100_000, 20), (1_000_000, 20), (1_000_000, 1_000)];
    let (mut large, mut small) = (0, 0);
    for (passages, projects) in steps.into_iter().filter(|(passages, _)| *passages <= most) {
        let started = Instant::now();
        let mut fill = Fill::begin(system.stack.database_url()).await?;
        if passages > large {
            fill.project("grande", passages - large).await?;
        }
        for number in small..projects {
            fill.project(&format!("chico-{number}"), SMALL).await?;
        }
        (large, small) = (passages, projects);
        let filled = started.elapsed();
        fill.end().await?;
        eprintln!(
            "{passages} passages: {:.0} s, indexed after {:.0} s",
            filled.as_secs_f64(),
            started.elapsed().as_secs_f64()
        );
        let bytes = bytes(&pool).await?;
        lines.push(measure((&client, system, ceiling, &pool), LARGE, Some("grande"), random, bytes).await?);
        if projects > 0 {
            lines.push(
                measure((&client, system, ceiling, &pool), SMALL_ONE, Some("chico-7"), random, bytes).await?,
            );
        }
        lines.push(measure((&client, system, ceiling, &pool), "all", None, random, bytes).await?);
        eprintln!("{}", table(&lines));
    }
    Ok(lines)
}

async fn measure(
    (client, system, ceiling, pool): (&Client, &System, &Ceiling, &PgPool),
    searched: &'static str,
    project: Option<&str>,
    random: &mut Random,
    bytes: Bytes,
) -> Result<Line> {
    large::some(client, project, random, 20).await?;
    let before = Stages::read(system).await?;
    let mut times = Vec::with_capacity(SEARCHES);
    for _ in 0..SEARCHES {
        let started = Instant::now();
        large::some(client, project, random, 1).await?;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    let stages = Stages::read(system).await?.since(&before);
    times.sort_by(f64::total_cmp);
    let mut recall = 0.0;
    for _ in 0..COMPARED {
        recall += compare(client, ceiling, pool, project, &large::query(random)).await? / COMPARED as f64;
    }
    Ok(Line {
        passages: bytes.passages,
        projects: bytes.projects,
        searched,
        p50: percentile(&times, 0.5),
        keyword: stages.mean("keyword"),
        vector: stages.mean("vector"),
        rows: stages.mean("rows"),
        recall,
        bytes,
    })
}

/// Returns the share of the ten documents with the nearest passages that the vector leg finds.
async fn compare(
    client: &Client,
    ceiling: &Ceiling,
    pool: &PgPool,
    project: Option<&str>,
    query: &str,
) -> Result<f64> {
    const NEAREST: usize = 10;
    let body = json!({"query": query, "project_id": project, "top_k": NEAREST, "mode": "vector"});
    let found = client.search_with(body).await?;
    let found: HashSet<&str> = found.iter().filter_map(|row| row["document_id"].as_str()).collect();
    let vector = ceiling.model.query(query).await?;
    let exact: Vec<String> = sqlx::query_scalar(
        "SELECT d.id FROM (
             SELECT document_key, project_key, max(similarity) AS similarity FROM (
                 SELECT document_key, project_key, -(vector <#> $1::real[]::halfvec) AS similarity FROM embedding
                 WHERE $2::text IS NULL OR project_key = (SELECT key FROM project WHERE id = $2)
                 ORDER BY (vector <#> $1::real[]::halfvec) + 0 LIMIT 100) AS near
             GROUP BY document_key, project_key ORDER BY similarity DESC LIMIT 10) AS nearest
         JOIN document d ON d.project_key = nearest.project_key AND d.key = nearest.document_key",
    )
    .bind(vector)
    .bind(project)
    .fetch_all(pool)
    .await?;
    let both = exact.iter().filter(|id| found.contains(id.as_str())).count();
    Ok(both as f64 / exact.len().max(1) as f64)
}

async fn bytes(pool: &PgPool) -> Result<Bytes> {
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

/// Returns the lines as a Markdown table.
pub fn table(lines: &[Line]) -> String {
    let mut text = "| passages | projects | searched | p50 | keyword leg | vector leg | rows | recall@10 | bytes a passage: text, words, vectors |\n|---|---|---|---|---|---|---|---|---|".to_owned();
    for line in lines {
        let Line { passages, projects, searched, p50, keyword, vector, rows, recall, bytes } = line;
        let _ = write!(
            text,
            "\n| {passages} | {projects} | {searched} | {p50:.1} ms | {keyword:.1} ms | {vector:.1} ms | {rows:.1} ms | {recall:.3} | {:.0}, {:.0}, {:.0} |",
            bytes.text, bytes.words, bytes.vectors
        );
    }
    text
}

/// Returns the curves to plot over the number of passages: whole searches in the large and in a small project, and the
/// two legs in the large project.
pub fn curves(lines: &[Line]) -> Vec<Curve> {
    let of = |searched: &str, value: fn(&Line) -> f64| {
        let points = lines.iter().filter(|line| line.searched == searched);
        points.map(|line| (line.passages as f64, value(line))).collect()
    };
    vec![
        Curve { name: "a search in the large project", points: of(LARGE, |line| line.p50) },
        Curve { name: "a search in a small project", points: of(SMALL_ONE, |line| line.p50) },
        Curve { name: "keyword leg, large project", points: of(LARGE, |line| line.keyword) },
        Curve { name: "vector leg, large project", points: of(LARGE, |line| line.vector) },
    ]
}
