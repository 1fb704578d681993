//! Writes very many passages with the services' own code but without the model: their vectors are made from real vectors,
//! and their words follow Zipf's law.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use analysis::Language;
use anyhow::{Context as _, Result};
use documents::{Passage, index, passages, scope::ProjectTx, sentences};
use e2e::{Random, prose};
use embedding::{Embed as _, Model};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use schemas::{Fields, ProjectId};
use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::vector_indexes;

const VOCABULARY: usize = 20_000;
/// The first rank that is used: more common words are stop words, which are not indexed.
const STOP_WORDS: usize = 50;
/// The number of the first word; texts of other measurements use lower numbers.
const FIRST_WORD: usize = 1_000_000;
/// The number of words of a passage, and of passages of a document.
const LENGTH: usize = 70;
/// The number of words of a sentence.
const SENTENCE: usize = 14;
const PASSAGES: usize = 10;
/// The number of documents that one transaction writes.
const BATCH: usize = 100;
/// The number of batches after which their words are merged into the index, while the next ones are written.
const ROUND: usize = 50;
/// The number of transactions at the same time.
const WRITERS: usize = 3;
/// The number of real vectors.
const REAL: usize = 2_000;
/// The noise that is added to each dimension of a vector.
const NOISE: f64 = 0.04;

/// The number of the only model of a new database.
pub const MODEL: i16 = 1;

/// Returns a word with the frequencies of natural texts: each doubling of a word's rank has the same probability.
pub fn word(random: &mut Random) -> String {
    prose::word(FIRST_WORD + rank(random))
}

fn rank(random: &mut Random) -> usize {
    let ranks = VOCABULARY as f64 / STOP_WORDS as f64;
    (STOP_WORDS as f64 * ranks.powf(random.share())) as usize
}

/// Makes passages.
pub struct Source {
    words: Vec<String>,
    /// Real vectors.
    vectors: Vec<Vec<f32>>,
}

impl Source {
    pub async fn new(model: &Model) -> Result<Self> {
        let mut random = Random::new(4);
        let texts: Vec<String> = (0..REAL).map(|_| prose::sentence(&mut random)).collect();
        let slices =
            texts.chunks(16).map(|slice| model.passages(slice.iter().cloned().map(Into::into).collect()));
        let embedded: Vec<_> = stream::iter(slices).buffered(3).try_collect().await?;
        let words = (0..=VOCABULARY).map(|rank| prose::word(FIRST_WORD + rank)).collect();
        Ok(Self { words, vectors: embedded.into_iter().flatten().map(|text| text.vector).collect() })
    }

    fn passage(&self, page: usize, random: &mut Random) -> Passage {
        let words: Vec<&str> =
            (0..LENGTH).filter_map(|_| Some(self.words.get(rank(random))?.as_str())).collect();
        let text: String = words.chunks(SENTENCE).map(|words| format!("Y {}. ", words.join(" "))).collect();
        let page = u32::try_from(page + 1).ok();
        let vector = self.vector(random);
        let of_sentences: Vec<_> = sentences::spans(&text).iter().map(|_| self.vector(random)).collect();
        Passage {
            page,
            page_last: page,
            heading: String::new(),
            language: Language::Spanish,
            sentences: sentences::encode(&text, &vector, &of_sentences),
            text,
            vector,
        }
    }

    /// A place between two real vectors, with noise: as many neighbours at every distance as real passages have, but no
    /// two alike.
    fn vector(&self, random: &mut Random) -> Vec<f32> {
        let share = 0.5 + 0.5 * random.share() as f32;
        let (near, far) = (random.pick(&self.vectors), random.pick(&self.vectors));
        let mixed = near.iter().zip(far).map(|(near, far)| share * near + (1.0 - share) * far);
        let mut vector: Vec<f32> =
            mixed.map(|number| number + ((random.share() - 0.5) * NOISE) as f32).collect();
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|number| *number /= length);
        vector
    }
}

/// A database that is being filled.
pub struct Fill {
    pool: PgPool,
    source: Arc<Source>,
    /// The statements that make the vector indexes again at the end; empty if they were not dropped.
    dropped: Vec<String>,
    seed: u64,
    started: Instant,
    /// When it was last said how far the filling is.
    told: Instant,
    /// The number of passages that will be written, and of those that are.
    adding: usize,
    written: usize,
}

impl Fill {
    /// `adding` is the number of passages that will be written.
    pub async fn begin(url: &str, source: &Arc<Source>, adding: usize) -> Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        // Nobody deletes documents meanwhile, so foreign keys need no check, and a crash may lose what was written.
        let options = options.options([
            ("session_replication_role", "replica"),
            ("synchronous_commit", "off"),
            ("statement_timeout", "0"),
        ]);
        let pool = PgPoolOptions::new().max_connections(8).connect_with(options).await?;
        for setting in ["max_wal_size = '8GB'", "checkpoint_timeout = '30min'"] {
            sqlx::raw_sql(AssertSqlSafe(format!("ALTER SYSTEM SET {setting}"))).execute(&pool).await?;
        }
        sqlx::query("SELECT pg_reload_conf()").execute(&pool).await?;
        let there: i64 = sqlx::query_scalar("SELECT coalesce(sum(chunks), 0)::bigint FROM project")
            .fetch_one(&pool)
            .await?;
        // To index the vectors at the end is faster than one by one, unless most of them are indexed already.
        let many = adding as i64 >= there;
        let dropped = if many { vector_indexes::drop_all(&pool).await? } else { Vec::new() };
        let (source, seed, now) = (Arc::clone(source), there.unsigned_abs(), Instant::now());
        Ok(Self { pool, source, dropped, seed, started: now, told: now, adding, written: 0 })
    }

    /// Adds `passages` passages to a project, which is created if it does not exist.
    pub async fn project(&mut self, project: &str, passages: usize) -> Result<()> {
        let id: ProjectId = project.parse()?;
        let count = passages.div_ceil(PASSAGES);
        let (key, documents) = self.documents(project, count).await?;
        // Before the first round there is nothing to merge.
        let mut tidying = tokio::spawn(std::future::ready(Ok::<_, sqlx::Error>(())));
        for round in documents.chunks(BATCH * ROUND) {
            let batches = round.chunks(BATCH).map(|batch| {
                self.seed += 1;
                let (pool, source) = (self.pool.clone(), Arc::clone(&self.source));
                // In a task of its own, because making passages takes as much processor time as writing them.
                tokio::spawn(write(pool, source, self.seed, key, batch.to_vec()))
            });
            let batches: Vec<_> = batches.collect();
            let mut written = stream::iter(batches).buffer_unordered(WRITERS);
            while let Some(batch) = written.next().await {
                self.written += batch??;
                self.tell(project);
            }
            tidying.await?.context("merging the words")?;
            let (pool, id) = (self.pool.clone(), id.clone());
            tidying = tokio::spawn(async move { index::tidy(&pool, &id).await });
        }
        tidying.await?.context("merging the words")?;
        sqlx::query(
            "UPDATE project p SET (chunks, terms) =
                    (SELECT count(*), coalesce(sum(terms), 0) FROM chunk WHERE project_key = p.key)
             WHERE key = $1",
        )
        .bind(key)
        .execute(&self.pool)
        .await?;
        Ok(index::tidy(&self.pool, &id).await?)
    }

    /// Inserts the rows of the documents; returns the keys of the project and of the documents.
    async fn documents(&self, project: &str, count: usize) -> Result<(i32, Vec<i64>)> {
        let key: i32 = sqlx::query_scalar(
            "INSERT INTO project (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING key",
        )
        .bind(project)
        .fetch_one(&self.pool)
        .await?;
        let documents: Vec<i64> = sqlx::query_scalar(
            "INSERT INTO document (project_key, id, state, accepted_at, indexed_at, fields, number_norm, chunks, terms)
             SELECT $1, $2 || '-' || n, 'indexed', now(), now(),
                    jsonb_build_object('title', 'Documento ' || n, 'number', '700-PL-' || lpad(n::text, 6, '0'),
                                       'doc_type', 'Plano'),
                    '700PL' || lpad(n::text, 6, '0'), $4::int, $4::int * $5::int
             FROM (SELECT (SELECT count(*) FROM document WHERE project_key = $1) + generate_series(1, $3) AS n) AS new
             RETURNING key",
        )
        .bind(key)
        .bind(project)
        .bind(i64::try_from(count)?)
        .bind(i32::try_from(PASSAGES)?)
        .bind(i32::try_from(LENGTH)?)
        .fetch_all(&self.pool)
        .await?;
        Ok((key, documents))
    }

    /// Indexes the vectors. Returns how many passages were written in a second, and the seconds of the indexing.
    pub async fn end(self) -> Result<(f64, f64)> {
        let rate = self.rate();
        let started = Instant::now();
        vector_indexes::make_again(&self.pool, self.dropped).await?;
        migrations::index_vectors(&self.pool).await?;
        let indexing = started.elapsed().as_secs_f64();
        sqlx::query("VACUUM ANALYZE").execute(&self.pool).await?;
        // As after a day of searches: the first ones would measure how fast PostgreSQL reads its files.
        sqlx::raw_sql(
            "CREATE EXTENSION IF NOT EXISTS pg_prewarm;
             SELECT sum(pg_prewarm(oid)) FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace",
        )
        .execute(&self.pool)
        .await?;
        self.pool.close().await;
        eprintln!("{rate:.0} passages a second; the vectors were indexed in {indexing:.0} s");
        Ok((rate, indexing))
    }

    /// Returns how many passages were written in a second.
    fn rate(&self) -> f64 {
        self.written as f64 / self.started.elapsed().as_secs_f64()
    }

    /// Says now and then how far the filling is.
    fn tell(&mut self, project: &str) {
        const EVERY: Duration = Duration::from_secs(5);
        if self.told.elapsed() > EVERY {
            self.told = Instant::now();
            let (written, adding, rate) = (self.written, self.adding, self.rate());
            let left = adding.saturating_sub(written) as f64 / rate;
            eprintln!(
                "  {project}: {written} of {adding} passages of this step, {rate:.0}/s, {left:.0} s left before the vectors are indexed"
            );
        }
    }
}

/// Writes the passages of some documents of a project in one transaction; returns their number.
async fn write(pool: PgPool, source: Arc<Source>, seed: u64, key: i32, documents: Vec<i64>) -> Result<usize> {
    let mut random = Random::new(seed);
    let mut tx = ProjectTx { tx: pool.begin().await?, project: key };
    for document in &documents {
        let made: Vec<Passage> = (0..PASSAGES).map(|page| source.passage(page, &mut random)).collect();
        let words = passages::words(&Fields::default(), &made);
        let new = passages::New { document_key: *document, passages: &made, words: &words };
        passages::insert(&mut tx, MODEL, &[new]).await?;
    }
    tx.commit().await?;
    Ok(documents.len() * PASSAGES)
}
