//! Finds the best passages by BM25, without reading every posting of a common word (MaxScore: Turtle and Flood, 1995).
//!
//! Words are processed from the rarest to the most common. As soon as the passages found so far are better than any
//! passage that has only the remaining words, no other passage is added. The remaining words are then looked up only
//! for the passages that can still be among the best.

use analysis::{bm25, terms::QueryTerm};
use sqlx::PgConnection;

use super::{
    block::Posting,
    read::{Block, Index, List},
};

pub struct Query<'a> {
    pub projects: &'a [i32],
    pub words: &'a [QueryTerm],
    /// Number of passages in these projects, and (`average`) their average length in terms.
    pub chunks: u64,
    pub average: f64,
    pub limit: usize,
}

/// The passages that may be found; the keys are in ascending order.
#[derive(Debug, Clone, Copy)]
pub enum Allowed<'a> {
    All,
    Only(&'a [i64]),
    AllBut(&'a [i64]),
}

pub struct Top<'a> {
    /// The best first.
    pub passages: Vec<Found>,
    /// The score of a passage with every word of the query.
    pub best_possible: f32,
    /// How many passages contain each word of the query; a passage with several of its forms is counted several times.
    pub counts: Vec<u64>,
    query: Query<'a>,
    words: Vec<Word<'a>>,
    index: Index,
}

/// A passage that has words of the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    pub project_key: i32,
    pub chunk_key: i64,
    pub score: f32,
}

/// A word of the query, with those of its forms that occur.
struct Word<'a> {
    /// Each form with its inverse document frequency.
    forms: Vec<(&'a str, f64)>,
    passages: u64,
    /// Maximum score that a passage can get for this word.
    bound: f32,
}

/// Passages in ascending order of their keys.
type Scores = Vec<Found>;

impl<'a> Query<'a> {
    pub async fn best(self, tx: &mut PgConnection, allowed: Allowed<'_>) -> sqlx::Result<Top<'a>> {
        let terms: Vec<&str> =
            self.words.iter().flat_map(|word| word.forms.iter().map(String::as_str)).collect();
        let mut index = Index::read(tx, self.projects, self.chunks, &terms).await?;
        let count = |form: &String| index.terms.get(form).map_or(0, |list| list.passages);
        let counts = self.words.iter().map(|word| word.forms.iter().map(count).sum()).collect();
        let (words, best_possible) = self.words(&index);
        // Maximum score that the words from each position on can add.
        let mut rest = vec![0.0; words.len() + 1];
        for (at, word) in words.iter().enumerate().rev() {
            rest[at] = rest[at + 1] + word.bound;
        }
        let mut scores = Scores::new();
        for (word, rest) in words.iter().zip(rest) {
            let least = self.least(&scores);
            scores.retain(|found| found.score >= least - rest);
            let among = (least > rest).then_some(&scores);
            let blocks = blocks(&index, word, among);
            index.load(tx, &blocks).await?;
            let found = self.found(&index, word, &blocks, among);
            scores.extend(found.into_iter().filter(|found| allowed.has(found.chunk_key)));
            unite(&mut scores, |one, other| one + other);
        }
        // A common word may have added very many, of which few are sorted.
        let least = self.least(&scores);
        scores.retain(|found| found.score >= least);
        scores.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.chunk_key.cmp(&b.chunk_key)));
        scores.truncate(self.limit);
        Ok(Top { passages: scores, best_possible, counts, query: self, words, index })
    }

    /// Returns the words that occur, the rarest first, and the score of a passage with every word of the query.
    fn words(&self, index: &Index) -> (Vec<Word<'a>>, f32) {
        let mut best_possible = 0.0;
        let mut words = Vec::new();
        for word in self.words {
            let known: Vec<(&str, &List)> =
                word.forms.iter().filter_map(|form| Some((&**form, index.terms.get(form)?))).collect();
            // A passage gets the score of a word's best form, so the word is worth as much as its rarest form that
            // occurs.
            let rarest = known.iter().map(|(_, list)| list.passages).min().unwrap_or(0);
            best_possible += bm25::idf(self.chunks, rarest) as f32;
            let idf = |list: &List| bm25::idf(self.chunks, list.passages);
            let bound = |list: &List| {
                let weights = list.best().map(|(frequency, length)| self.weight(frequency, length));
                (idf(list) * weights.fold(0.0, f64::max)) as f32
            };
            if !known.is_empty() {
                words.push(Word {
                    passages: known.iter().map(|(_, list)| list.passages).sum(),
                    bound: known.iter().map(|(_, list)| bound(list)).fold(0.0, f32::max),
                    forms: known.into_iter().map(|(term, list)| (term, idf(list))).collect(),
                });
            }
        }
        words.sort_by_key(|word| word.passages);
        (words, best_possible)
    }

    fn weight(&self, frequency: u32, length: u32) -> f64 {
        bm25::weight(frequency.into(), length.into(), self.average)
    }

    /// Returns the lowest score among the best passages so far; minus infinity if there are fewer than the limit.
    fn least(&self, scores: &Scores) -> f32 {
        if scores.len() < self.limit || self.limit == 0 {
            return f32::NEG_INFINITY;
        }
        let mut values: Vec<f32> = scores.iter().map(|found| found.score).collect();
        *values.select_nth_unstable_by(self.limit - 1, |a, b| b.total_cmp(a)).1
    }

    /// Returns the passages with the word, each with its score for the word: all, or those of the passages `among`. The
    /// word's [`blocks`] have been read.
    fn found(
        &self,
        index: &Index,
        word: &Word<'_>,
        blocks: &[(&str, Vec<usize>)],
        among: Option<&Scores>,
    ) -> Scores {
        let is_among = |(_, posting): &(i32, Posting)| {
            let place = |among: &Scores| among.binary_search_by_key(&posting.chunk, |one| one.chunk_key);
            among.is_none_or(|among| place(among).is_ok())
        };
        let mut found = Scores::new();
        for ((term, idf), (_, places)) in word.forms.iter().zip(blocks) {
            let Some(list) = index.terms.get(*term) else { continue };
            let score = |(project_key, posting): (i32, Posting)| Found {
                project_key,
                chunk_key: posting.chunk,
                score: (idf * self.weight(posting.frequency, posting.length)) as f32,
            };
            let merged = places.iter().flat_map(|place| list.blocks[*place].postings());
            found.extend(merged.chain(list.pending.iter().copied()).filter(is_among).map(score));
        }
        unite(&mut found, f32::max);
        found.retain(|found| !index.dead.contains(&found.chunk_key));
        found
    }
}

impl Allowed<'_> {
    fn has(&self, passage: i64) -> bool {
        match self {
            Self::All => true,
            Self::Only(keys) => keys.binary_search(&passage).is_ok(),
            Self::AllBut(keys) => keys.binary_search(&passage).is_err(),
        }
    }
}

impl Top<'_> {
    /// Returns the scores of other passages, given by the keys of their projects and their own; those without a word of the
    /// query are left out. A merge since the query may hide a word of a passage, unless the transaction is the same.
    pub async fn score(
        &mut self,
        tx: &mut PgConnection,
        others: impl Iterator<Item = (i32, i64)>,
    ) -> sqlx::Result<Vec<Found>> {
        let found = |(project_key, chunk_key)| Found { project_key, chunk_key, score: 0.0 };
        let mut others: Scores = others.map(found).collect();
        others.sort_unstable_by_key(|found| found.chunk_key);
        let blocks: Vec<_> = self.words.iter().map(|word| blocks(&self.index, word, Some(&others))).collect();
        self.index.load(tx, &blocks.concat()).await?;
        let words = self.words.iter().zip(&blocks);
        let mut scores: Scores = words
            .flat_map(|(word, blocks)| self.query.found(&self.index, word, blocks, Some(&others)))
            .collect();
        unite(&mut scores, |one, other| one + other);
        Ok(scores)
    }
}

/// Returns the positions of the blocks of each form of the word: of all, or of those that may contain one of the passages
/// `among`.
fn blocks<'a>(index: &Index, word: &Word<'a>, among: Option<&Scores>) -> Vec<(&'a str, Vec<usize>)> {
    let holds = |block: &Block, scores: &Scores| {
        let from = scores.partition_point(|found| found.chunk_key < block.first);
        let mut within = scores[from..].iter().take_while(|found| found.chunk_key <= block.last);
        within.any(|found| found.project_key == block.project_key)
    };
    let near = |list: &List| {
        let blocks = list.blocks.iter().enumerate();
        let near = blocks.filter(|(_, block)| among.is_none_or(|scores| holds(block, scores)));
        near.map(|(place, _)| place).collect()
    };
    word.forms.iter().map(|(term, _)| (*term, index.terms.get(*term).map_or_else(Vec::new, near))).collect()
}

/// Sorts the list and makes one of the scores of each passage.
fn unite(scores: &mut Scores, score: fn(f32, f32) -> f32) {
    // This is fast if the list consists of a few sorted ones, as that of a word's forms does.
    scores.sort_by_key(|found| found.chunk_key);
    scores.dedup_by(|next, kept| {
        let same = next.chunk_key == kept.chunk_key;
        if same {
            kept.score = score(kept.score, next.score);
        }
        same
    });
}
