//! Measures both legs of the search with 40,000 passages.
//!
//! The passages are created in the database: their vectors are real vectors with noise, their words follow Zipf's law.
//! The measured values are from the worker's own metrics of its searches.

use std::time::Instant;

use anyhow::{Context as _, Result};
use e2e::{Client, Random, System, prose};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::{
    ceiling::{Ceiling, Questions},
    figures::Figures,
    search,
    stages::Stages,
};

const DOCUMENTS: i32 = 8_000;
/// One of this many documents belongs to the small project: 5 % of the passages.
const SMALL: i32 = 20;
const VOCABULARY: usize = 20_000;
/// The first rank: more frequent words are stop words, which are not indexed.
const STOP_WORDS: usize = 50;
/// The number of the first word, so that these words differ from those of other texts.
const FIRST_WORD: usize = 1_000_000;
const SEARCHES: usize = 150;

pub async fn legs(
    system: &System,
    ceiling: &mut Ceiling,
    questions: &mut Questions,
    random: &mut Random,
    figures: &mut Figures,
) -> Result<()> {
    let started = Instant::now();
    fill(system.stack.database_url()).await?;
    eprintln!("40,000 passages made in {:.0} s", started.elapsed().as_secs_f64());
    let client = system.client()?;
    for (project, names) in [
        (Some("chico"), ["5 % of 40,000: keyword leg", "5 % of 40,000: vector leg", "5 % of 40,000: rows"]),
        (
            Some("grande"),
            ["95 % of 40,000: keyword leg", "95 % of 40,000: vector leg", "95 % of 40,000: rows"],
        ),
        (None, ["all of 40,000: keyword leg", "all of 40,000: vector leg", "all of 40,000: rows"]),
    ] {
        // The first searches are not counted, because the caches are cold after the fill.
        some(&client, project, random, 10).await?;
        let before = Stages::read(system).await?;
        some(&client, project, random, SEARCHES).await?;
        let stages = Stages::read(system).await?.since(&before);
        for (stage, name) in ["keyword", "vector", "rows"].into_iter().zip(names) {
            figures.ratio(name, stages.mean(stage), "ms", "embedding the query", stages.mean("embed"));
        }
    }
    ceiling.measure_queries(&questions.some(800)).await?;
    let (rate, _) = search::together(&client, "grande", 8, questions).await?;
    figures.ratio("search: 8 clients, 38,000 passages", rate, "1/s", "the model alone", ceiling.queries());
    Ok(())
}

/// Makes searches one after the other, with words in their natural frequency: mostly common ones.
async fn some(client: &Client, project: Option<&str>, random: &mut Random, count: usize) -> Result<()> {
    for _ in 0..count {
        let words: Vec<String> = (0..4).map(|_| prose::word(FIRST_WORD + zipf(random))).collect();
        let query = format!("{} {}", words.join(" "), prose::question(random));
        client.search_with(json!({"query": query, "project_id": project, "top_k": 10})).await?;
    }
    Ok(())
}

/// A random rank by Zipf's law: each doubling of the rank is equally likely.
fn zipf(random: &mut Random) -> usize {
    let ranks = VOCABULARY as f64 / STOP_WORDS as f64;
    (STOP_WORDS as f64 * ranks.powf(random.share())) as usize
}

async fn fill(url: &str) -> Result<()> {
    let mut database = PgConnection::connect(url).await?;
    let database = &mut database;
    let words: Vec<String> = (STOP_WORDS..=VOCABULARY).map(|rank| prose::word(FIRST_WORD + rank)).collect();
    let indexes: Vec<String> = sqlx::query_scalar(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index
         WHERE indexrelid IN ('chunk_embedding'::regclass, 'posting_term'::regclass, 'posting_chunk'::regclass)",
    )
    .fetch_all(&mut *database)
    .await?;
    for statement in [
        // The rows are consistent by construction, so their checks are disabled.
        "SET session_replication_role = replica",
        "DROP INDEX chunk_embedding, posting_term, posting_chunk",
        "CREATE TEMP TABLE vocabulary (rank integer PRIMARY KEY, word text NOT NULL)",
        "CREATE TEMP TABLE centre AS SELECT row_number() OVER () AS n, embedding::vector FROM chunk",
        "INSERT INTO project (id) VALUES ('grande'), ('chico')",
    ] {
        sqlx::query(statement).execute(&mut *database).await.context(statement)?;
    }
    sqlx::query(
        "INSERT INTO vocabulary SELECT $2 + n - 1, word FROM unnest($1::text[]) WITH ORDINALITY AS w(word, n)",
    )
    .bind(&words)
    .bind(i64::try_from(STOP_WORDS)?)
    .execute(&mut *database)
    .await?;
    sqlx::query(
        "INSERT INTO document (project_key, id, state, accepted_at, indexed_at, fields, number_norm, chunks, terms)
         SELECT (SELECT key FROM project WHERE id = CASE WHEN n % $2 = 0 THEN 'chico' ELSE 'grande' END), 'sint-' || n,
                'indexed', now(), now(),
                jsonb_build_object('title', 'Documento ' || n, 'number', '700-PL-' || lpad(n::text, 6, '0'),
                                   'doc_type', 'Plano'),
                '700PL' || lpad(n::text, 6, '0'), 5, 350
         FROM generate_series(1, $1) AS n",
    )
    .bind(DOCUMENTS)
    .bind(SMALL)
    .execute(&mut *database)
    .await?;
    sqlx::query(
        "CREATE TEMP TABLE draw AS
         SELECT d.key AS document_key, d.project_key, ordinal,
                floor(first * power(last / first, random()))::int AS rank
         FROM document d, generate_series(0, 4) AS ordinal, generate_series(1, 70),
              (SELECT min(rank)::float8 AS first, max(rank)::float8 AS last FROM vocabulary) AS ranks
         WHERE d.id LIKE 'sint-%'",
    )
    .execute(&mut *database)
    .await?;
    for statement in [
        "CREATE TEMP TABLE passage AS
         SELECT document_key, project_key, ordinal, string_agg(word, ' ') AS text
         FROM draw JOIN vocabulary USING (rank) GROUP BY document_key, project_key, ordinal",
        // With this noise, the cosine with the original vector is about 0.95.
        "INSERT INTO chunk (project_key, document_key, ordinal, page, language, text, terms, embedding)
         SELECT p.project_key, p.document_key, p.ordinal, p.ordinal + 1, 'es', p.text, 70,
                l2_normalize(c.embedding + (SELECT array_agg((random() - 0.5) * 0.06)::vector
                                            FROM generate_series(1, 384) WHERE p.ordinal >= 0))::halfvec
         FROM passage p
         JOIN centre c ON c.n = 1 + (p.document_key * 5 + p.ordinal) * 7919 % (SELECT count(*) FROM centre)",
        "INSERT INTO posting (term, project_key, chunk_key, document_key, frequency, length)
         SELECT v.word, d.project_key, c.key, d.document_key, count(*), 70
         FROM draw d JOIN vocabulary v USING (rank)
         JOIN chunk c ON c.document_key = d.document_key AND c.ordinal = d.ordinal
         GROUP BY v.word, d.project_key, c.key, d.document_key",
        "UPDATE project p SET (chunks, terms) =
                (SELECT count(*), coalesce(sum(terms), 0) FROM chunk WHERE project_key = p.key)",
    ] {
        sqlx::query(statement).execute(&mut *database).await.context(statement)?;
    }
    for index in indexes {
        sqlx::raw_sql(sqlx::AssertSqlSafe(index)).execute(&mut *database).await?;
    }
    sqlx::query("VACUUM ANALYZE").execute(&mut *database).await?;
    Ok(())
}
