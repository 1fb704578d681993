//! Writes thousands of passages with the services' own code but without the model: their vectors are real vectors with
//! added noise, and their words follow Zipf's law.

use analysis::Language;
use anyhow::{Context as _, Result};
use documents::{Passage, commit, index};
use e2e::{Random, prose};
use schemas::Fields;
use sqlx::{PgConnection, PgPool, Row as _};

const VOCABULARY: usize = 20_000;
/// The first rank that is used: more common words are stop words, which are not indexed.
const STOP_WORDS: usize = 50;
/// The number of the first word; texts of other measurements use lower numbers.
const FIRST_WORD: usize = 1_000_000;
/// The number of words of a passage, and of passages of a document.
const LENGTH: usize = 70;
const PASSAGES: usize = 5;
/// The number of documents that one transaction writes.
const BATCH: usize = 200;
/// The noise that is added to a vector: the result has a cosine of about 0.95 with the original vector.
const NOISE: f64 = 0.06;

/// The number of the only model of a new database.
const MODEL: i16 = 1;

/// Returns a word with the frequencies of natural texts: each doubling of a word's rank has the same probability.
pub fn word(random: &mut Random) -> String {
    let ranks = VOCABULARY as f64 / STOP_WORDS as f64;
    prose::word(FIRST_WORD + (STOP_WORDS as f64 * ranks.powf(random.share())) as usize)
}

/// A database that is being filled. Its vectors are indexed at the end.
pub struct Fill {
    pool: PgPool,
    random: Random,
    /// Real vectors.
    centres: Vec<Vec<f32>>,
    nearest: String,
}

impl Fill {
    pub async fn begin(url: &str) -> Result<Self> {
        let pool = PgPool::connect(url).await?;
        let centres = sqlx::query("SELECT vector::real[] FROM embedding LIMIT 3000").fetch_all(&pool).await?;
        let centres = centres.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<Vec<Vec<f32>>>>()?;
        let nearest: String = sqlx::query_scalar("SELECT pg_get_indexdef('embedding_1_nearest'::regclass)")
            .fetch_one(&pool)
            .await?;
        // With `ON ONLY`, as PostgreSQL reports it, the index would be created without the indexes of the partitions.
        let nearest = nearest.replace(" ON ONLY ", " ON ");
        sqlx::query("DROP INDEX embedding_1_nearest").execute(&pool).await?;
        Ok(Self { pool, random: Random::new(3), centres, nearest })
    }

    /// Adds `passages` passages to a project, which is created if it does not exist.
    pub async fn project(&mut self, project: &str, passages: usize) -> Result<()> {
        let (project_key, first) = self.documents(project, passages / PASSAGES).await?;
        let last = first + i64::try_from(passages / PASSAGES)?;
        let mut tx = self.pool.begin().await?;
        for document in first..last {
            self.document(&mut tx, project_key, document).await?;
            if (document - first) % BATCH as i64 == 0 {
                tx.commit().await?;
                tx = self.pool.begin().await?;
            }
        }
        sqlx::query(
            "UPDATE project p SET (chunks, terms) =
                    (SELECT count(*), coalesce(sum(terms), 0) FROM chunk WHERE project_key = p.key)
             WHERE key = $1",
        )
        .bind(project_key)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(index::tidy(&self.pool, &project.parse()?).await?)
    }

    /// Inserts the rows of the documents; returns the keys of the project and of the first document.
    async fn documents(&self, project: &str, count: usize) -> Result<(i32, i64)> {
        let key: i32 = sqlx::query_scalar(
            "INSERT INTO project (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING key",
        )
        .bind(project)
        .fetch_one(&self.pool)
        .await?;
        let first: Option<i64> = sqlx::query_scalar(
            "WITH new AS (
                 INSERT INTO document (project_key, id, state, accepted_at, indexed_at, fields, number_norm, chunks, terms)
                 SELECT $1, $2 || '-' || n, 'indexed', now(), now(),
                        jsonb_build_object('title', 'Documento ' || n, 'number', '700-PL-' || lpad(n::text, 6, '0'),
                                           'doc_type', 'Plano'),
                        '700PL' || lpad(n::text, 6, '0'), $4::int, $4::int * $5::int
                 FROM (SELECT (SELECT count(*) FROM document WHERE project_key = $1) + generate_series(1, $3) AS n) AS new
                 RETURNING key)
             SELECT min(key) FROM new",
        )
        .bind(key)
        .bind(project)
        .bind(i64::try_from(count)?)
        .bind(i32::try_from(PASSAGES)?)
        .bind(i32::try_from(LENGTH)?)
        .fetch_one(&self.pool)
        .await?;
        Ok((key, first.context("a project without documents")?))
    }

    async fn document(&mut self, tx: &mut PgConnection, project_key: i32, document: i64) -> Result<()> {
        let passages: Vec<Passage> = (0..PASSAGES).map(|page| self.passage(page)).collect();
        let words = commit::words(&Fields::default(), &passages);
        commit::insert(tx, MODEL, (project_key, document), &passages, &words).await?;
        Ok(())
    }

    fn passage(&mut self, page: usize) -> Passage {
        let words: Vec<String> = (0..LENGTH).map(|_| word(&mut self.random)).collect();
        let mut vector = self.random.pick(&self.centres).clone();
        for number in &mut vector {
            *number += ((self.random.share() - 0.5) * NOISE) as f32;
        }
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|number| *number /= length);
        let page = u32::try_from(page + 1).ok();
        Passage {
            page,
            page_last: page,
            heading: String::new(),
            language: Language::Spanish,
            text: words.join(" "),
            vector,
            sentences: Vec::new(),
        }
    }

    /// Indexes the vectors.
    pub async fn end(self) -> Result<()> {
        let mut connection = self.pool.acquire().await?;
        sqlx::query("SET maintenance_work_mem = '2GB'").execute(&mut *connection).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(self.nearest)).execute(&mut *connection).await?;
        sqlx::query("VACUUM ANALYZE").execute(&mut *connection).await?;
        migrations::index_vectors(&self.pool).await
    }
}
