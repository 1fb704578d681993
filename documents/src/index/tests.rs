use std::collections::{BTreeMap, HashMap, HashSet};

use analysis::{bm25, terms::QueryTerm};
use schemas::Scope;
use sqlx::PgPool;

use super::{
    block::{self, Block, best_pairs},
    pending, *,
};
use crate::{
    scope::{self, ProjectTx},
    tests::{awaited, database, end_when_awaited},
};

/// Pseudo-random numbers, the same in each run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// Returns a random number. Larger numbers are rarer.
    fn rank(&mut self) -> u64 {
        let limit = 1 << self.below(12);
        self.below(limit)
    }
}

fn postings(draw: &mut Draw, count: u64) -> Vec<Posting> {
    let mut chunk = i64::try_from(draw.below(1 << 40)).unwrap();
    (0..count)
        .map(|_| {
            chunk += 1 + i64::try_from(draw.below(100_000)).unwrap();
            let frequency = 1 + u32::try_from(draw.below(4)).unwrap();
            Posting { chunk, frequency, length: 1 + u32::try_from(draw.below(300)).unwrap() }
        })
        .collect()
}

#[test]
fn a_block_gives_back_what_it_was_made_of() {
    let mut draw = Draw(1);
    for count in [1, 2, 255, 256] {
        let postings = postings(&mut draw, count);
        let block = Block::of(&postings).unwrap();
        assert_eq!((block.first, block.last), (postings[0].chunk, postings.last().unwrap().chunk));
        assert_eq!(block::postings(block.first, &block.data).collect::<Vec<_>>(), postings);
        // Damaged rows are read up to the damage.
        for length in 0..block.data.len() {
            assert!(block::postings(block.first, &block.data[..length]).count() < postings.len());
        }
    }
    assert_eq!(Block::of(&[]), None);
}

#[test]
fn a_block_knows_its_best_posting_whatever_the_average_length() {
    let mut draw = Draw(2);
    for _ in 0..50 {
        let postings = postings(&mut draw, 256);
        let block = Block::of(&postings).unwrap();
        for average in [1.0, 20.0, 75.0, 400.0] {
            let weight =
                |(frequency, length): (u32, u32)| bm25::weight(frequency.into(), length.into(), average);
            let best = postings.iter().map(|p| weight((p.frequency, p.length))).fold(0.0, f64::max);
            let bound = best_pairs(&block.best).map(weight).fold(0.0, f64::max);
            assert!((best - bound).abs() < 1e-12, "{best} {bound}");
        }
    }
}

#[test]
fn the_words_of_a_document_are_read_by_term() {
    let word = |term: &str, frequency| (term.to_owned(), frequency);
    let (first, second) = (vec![word("losa", 2), word("ñandú", 1)], vec![word("losa", 1)]);
    let data = pending::encode(&[(7, &first), (9, &second)]);
    let mut found = Vec::new();
    pending::decode(&data, |term| term == b"losa", |term, posting| found.push((term.to_owned(), posting)));
    let losa = |chunk, frequency, length| ("losa".to_owned(), Posting { chunk, frequency, length });
    assert_eq!(found, [losa(7, 2, 3), losa(9, 1, 1)]);
    for length in 0..data.len() {
        pending::decode(&data[..length], |_| true, |_, _| {});
    }
}

const AVERAGE: f64 = 20.0;

/// A project whose words are known, and its index.
struct Corpus {
    pool: PgPool,
    project: i32,
    passages: BTreeMap<i64, Vec<Word>>,
    dead: HashSet<i64>,
}

impl Corpus {
    async fn new(name: &'static str) -> Self {
        let pool = database(name).await;
        let mut tx = scope::begin(&pool, &project()).await.unwrap();
        let project = sqlx::query_scalar("INSERT INTO project (id, chunks) VALUES ('p', 6000) RETURNING key")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Self { pool, project, passages: BTreeMap::new(), dead: HashSet::new() }
    }

    /// Adds passages. A word with a higher number is rarer; the first words are in nearly every passage.
    async fn add(&mut self, draw: &mut Draw, document: i64, keys: impl Iterator<Item = i64>) {
        let new: Vec<(i64, Vec<Word>)> = keys
            .map(|key| {
                let mut words = HashMap::new();
                for _ in 0..10 + draw.below(20) {
                    let rank = draw.rank();
                    *words.entry(format!("w{rank}")).or_insert(0) += 1;
                }
                (key, words.into_iter().collect())
            })
            .collect();
        let rows: Vec<(i64, &[Word])> = new.iter().map(|(key, words)| (*key, words.as_slice())).collect();
        let tx = scope::begin(&self.pool, &project()).await.unwrap();
        let mut tx = ProjectTx { tx, project: self.project };
        let waiting = New { document_key: document, first: 0, passages: rows };
        insert(&mut tx, &[waiting]).await.unwrap();
        tx.commit().await.unwrap();
        self.passages.extend(new);
    }

    async fn kill(&mut self, keys: &[i64]) {
        let mut tx = scope::begin(&self.pool, &project()).await.unwrap();
        sqlx::query("INSERT INTO posting_dead SELECT $1, unnest($2::bigint[])")
            .bind(self.project)
            .bind(keys)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        self.dead.extend(keys);
    }

    /// How many passages the index counts for a term. With `dead`, removed passages are counted too, as
    /// before a purge.
    fn count(&self, term: &str, dead: bool) -> u64 {
        let has = |(key, words): &(&i64, &Vec<Word>)| {
            (dead || !self.dead.contains(key)) && words.iter().any(|(word, _)| word == term)
        };
        self.passages.iter().filter(has).count() as u64
    }

    /// Scores every passage for these words.
    fn exact(&self, words: &[QueryTerm], dead: bool) -> Vec<(i64, f32)> {
        let idf: HashMap<&str, f64> = words
            .iter()
            .flat_map(|word| &word.forms)
            .map(|form| (form.as_str(), bm25::idf(6_000, self.count(form, dead))))
            .collect();
        let mut scores: Vec<(i64, f32)> = self
            .passages
            .iter()
            .filter(|(key, _)| !self.dead.contains(key))
            .map(|(key, text)| {
                let length: u32 = text.iter().map(|(_, frequency)| frequency).sum();
                let of_form = |form: &String| {
                    let found = text.iter().find(|(word, _)| word == form);
                    let weight = |frequency| bm25::weight(frequency, length.into(), AVERAGE);
                    found.map_or(0.0, |(_, f)| weight(f64::from(*f)) * idf[form.as_str()])
                };
                let score: f64 =
                    words.iter().map(|word| word.forms.iter().map(of_form).fold(0.0, f64::max)).sum();
                (*key, score as f32)
            })
            .filter(|(_, score)| *score > 0.0)
            .collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1));
        scores
    }

    /// Returns the best passages, and the scores of `others` from the same query.
    async fn best(
        &self,
        words: &[QueryTerm],
        allowed: Allowed<'_>,
        limit: usize,
        others: &[i64],
    ) -> [Vec<(i64, f32)>; 2] {
        let mut tx =
            scope::begin_reading(&self.pool, scope::INGEST, &project(), std::time::Duration::from_secs(60))
                .await
                .unwrap();
        let projects = [self.project];
        let query = Query { projects: &projects, words, chunks: 6_000, average: AVERAGE, limit };
        let mut top = query.best(&mut tx, allowed).await.unwrap();
        let others = top.score(&mut tx, others.iter().map(|key| (self.project, *key))).await.unwrap();
        [top.passages, others].map(|found| {
            assert!(found.iter().all(|found| found.project_key == self.project));
            found.iter().map(|found| (found.chunk_key, found.score)).collect()
        })
    }

    /// Compares only the scores: passages with the same score may be in any order.
    async fn check(&self, draw: &mut Draw, dead: bool) {
        let some: Vec<i64> = self.passages.keys().copied().filter(|key| key % 7 == 0).collect();
        let others: Vec<i64> = self.passages.keys().copied().filter(|key| key % 11 == 0).collect();
        for round in 0..25 {
            let form = |draw: &mut Draw| format!("w{}", draw.rank());
            let words: Vec<QueryTerm> = (0..=draw.below(6))
                .map(|_| QueryTerm { forms: (0..=draw.below(2)).map(|_| form(draw)).collect() })
                .collect();
            let allowed = match round % 4 {
                0 => Allowed::Only(&some),
                1 => Allowed::AllBut(&some),
                _ => Allowed::All,
            };
            let is_allowed = |key: &i64| match allowed {
                Allowed::All => true,
                Allowed::Only(keys) => keys.contains(key),
                Allowed::AllBut(keys) => !keys.contains(key),
            };
            let exact = self.exact(&words, dead);
            let same = |found: &[(i64, f32)]| {
                for (key, score) in found {
                    let own = exact.iter().find(|(other, _)| other == key).unwrap();
                    assert!((score - own.1).abs() < 1e-3, "{words:?}: {key}");
                }
            };
            let best: Vec<_> = exact.iter().filter(|(key, _)| is_allowed(key)).collect();
            for limit in [1, 20, 200] {
                let [found, scored] = self.best(&words, allowed, limit, &others).await;
                assert_eq!(found.len(), best.len().min(limit), "{words:?}");
                for (at, (_, score)) in found.iter().enumerate() {
                    assert!((score - best[at].1).abs() < 1e-3, "{words:?}: {at} of {limit}");
                }
                same(&found);
                same(&scored);
                let having = exact.iter().filter(|(key, _)| others.contains(key));
                assert_eq!(scored.len(), having.count(), "{words:?}");
            }
        }
    }
}

fn project() -> Scope {
    Scope::Projects(vec!["p".parse().unwrap()])
}

#[tokio::test]
async fn the_best_passages_are_those_of_a_full_comparison() {
    let mut corpus = Corpus::new("index_best").await;
    let (mut draw, project) = (Draw(3), "p".parse().unwrap());
    // Half of the keys are merged first, the other half, which lies between them, after that.
    for document in 0..300 {
        corpus.add(&mut draw, document, (0..20).map(|at| (document * 20 + at) * 2)).await;
    }
    corpus.check(&mut draw, false).await;
    tidy_at(&corpus.pool, &project, |_| 1).await.unwrap();
    corpus.check(&mut draw, false).await;
    for document in 300..600 {
        corpus.add(&mut draw, document, (0..20).map(|at| ((document - 300) * 20 + at) * 2 + 1)).await;
        if document % 40 == 0 {
            tidy_at(&corpus.pool, &project, |_| 1).await.unwrap();
        }
    }
    corpus.check(&mut draw, false).await;
    let few: Vec<i64> = (0..200).map(|n| n * 59).collect();
    corpus.kill(&few).await;
    tidy_at(&corpus.pool, &project, |_| 1).await.unwrap();
    corpus.check(&mut draw, true).await;
    let many: Vec<i64> = (0..1_000).map(|n| n * 11 + 4).filter(|key| !few.contains(key)).collect();
    corpus.kill(&many).await;
    tidy_at(&corpus.pool, &project, |_| 1).await.unwrap();
    let mut tx = scope::begin(&corpus.pool, &self::project()).await.unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM posting_dead").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(left, 0, "the index is purged");
    corpus.check(&mut draw, false).await;
}

#[tokio::test]
async fn a_purge_goes_on_when_another_call_had_the_project_in_between() {
    let mut corpus = Corpus::new("index_purge").await;
    let (pool, project) = (corpus.pool.clone(), "p".parse().unwrap());
    corpus.add(&mut Draw(4), 0, 0..700).await;
    tidy_at(&pool, &project, |_| 1).await.unwrap();
    corpus.kill(&(0..650).collect::<Vec<_>>()).await;
    let mut blocks = scope::begin(&pool, &self::project()).await.unwrap();
    sqlx::query("SELECT FROM posting FOR UPDATE").execute(&mut *blocks).await.unwrap();
    let between = async {
        // The purge waits for the blocks of its first slice. The other call gets the project after this slice.
        awaited(&pool, 1).await;
        let mut other = scope::begin(&pool, &self::project()).await.unwrap();
        let lock = sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('posting', $1))");
        let lock = lock.bind(i64::from(corpus.project)).execute(&mut *other);
        let (locked, ()) = tokio::join!(lock, async {
            awaited(&pool, 2).await;
            blocks.commit().await.unwrap();
        });
        locked.unwrap();
        end_when_awaited(&pool, other).await;
    };
    let (purged, ()) = tokio::join!(tidy(&pool, &project), between);
    purged.unwrap();
    let mut tx = scope::begin(&pool, &self::project()).await.unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM posting_dead").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(left, 0, "the index is purged");
}

#[tokio::test]
async fn many_projects_are_merged_that_are_not_due_one_by_one() {
    const PROJECTS: i64 = 50;
    const PASSAGES: i64 = 60;
    let pool = database("index_many").await;
    let add = async |number: i64, passages: i64| {
        let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
        let project: i32 = sqlx::query_scalar("INSERT INTO project (id) VALUES ($1) RETURNING key")
            .bind(format!("p{number}"))
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        let words = [("losa".to_owned(), 1)];
        let rows: Vec<(i64, &[Word])> =
            (0..passages).map(|at| (number * PASSAGES + at, words.as_slice())).collect();
        let mut tx = ProjectTx { tx, project };
        insert(&mut tx, &[New { document_key: number, first: 0, passages: rows }]).await.unwrap();
        tx.commit().await.unwrap();
    };
    for number in 0..PROJECTS {
        add(number, PASSAGES).await;
    }
    for number in 0..PROJECTS {
        tidy(&pool, &format!("p{number}").parse().unwrap()).await.unwrap();
    }
    tidy_all(&pool).await.unwrap();
    let counts = async || -> (i64, i64) {
        let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
        sqlx::query_as(
            "SELECT (SELECT coalesce(sum(passages), 0)::bigint FROM posting_pending), sum(passages) FROM posting",
        )
        .fetch_one(&mut *tx)
        .await
        .unwrap()
    };
    assert_eq!(counts().await, (1_020, 1_980), "at most half of the limit waits");
    add(PROJECTS, 64).await;
    tidy_all(&pool).await.unwrap();
    assert_eq!(counts().await, (1_020, 2_044), "a project that is due is merged in any case");
    let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
    let projects = scope::projects(&mut tx).await.unwrap();
    let words = analysis::terms::query_terms("losa");
    let query = Query { projects: &projects.keys, words: &words, chunks: 3_064, average: 1.0, limit: 5_000 };
    let found = query.best(&mut tx, Allowed::All).await.unwrap().passages;
    assert_eq!(found.len(), 3_064);
    let keys: HashSet<(i32, i64)> = found.iter().map(|found| (found.project_key, found.chunk_key)).collect();
    assert_eq!(keys.len(), 3_064);
}
