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

/// A keyword query.
pub struct Query<'a> {
    pub projects: &'a [i32],
    pub words: &'a [QueryTerm],
    /// Number of passages in these projects, and (`average`) their average length in terms.
    pub chunks: u64,
    pub average: f64,
    /// The keys of the passages that may be found, in ascending order; `None` means all.
    pub allowed: Option<&'a [i64]>,
    pub limit: usize,
}

#[derive(Debug, Default)]
pub struct Top {
    /// The best first.
    pub passages: Vec<Found>,
    /// The score of a passage with every word of the query.
    pub best_possible: f32,
    /// How many passages contain each word of the query; a passage with several of its forms is counted several times.
    pub counts: Vec<u64>,
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
    forms: Vec<Form<'a>>,
    passages: u64,
    /// Maximum score that a passage can get for this word.
    bound: f32,
}

struct Form<'a> {
    term: &'a str,
    idf: f64,
}

/// Passages in ascending order of their keys.
type Scores = Vec<Found>;

impl Query<'_> {
    pub async fn best(&self, tx: &mut PgConnection) -> sqlx::Result<Top> {
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
        let mut complete_from = words.len();
        for (at, word) in words.iter().enumerate() {
            if self.least(&scores) > rest[at] {
                complete_from = at;
                break;
            }
            let found = self.all(tx, &mut index, word).await?;
            scores = sum(&scores, &found);
            let least = self.least(&scores) - rest[at + 1];
            scores.retain(|found| found.score >= least);
        }
        for (at, word) in words.iter().enumerate().skip(complete_from) {
            let least = self.least(&scores) - rest[at];
            scores.retain(|found| found.score >= least);
            self.complete(tx, &mut index, word, &mut scores).await?;
        }
        scores.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.chunk_key.cmp(&b.chunk_key)));
        scores.truncate(self.limit);
        Ok(Top { passages: scores, best_possible, counts })
    }

    /// Returns the words that occur, the rarest first, and the score of a passage with every word of the query.
    fn words(&self, index: &Index) -> (Vec<Word<'_>>, f32) {
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
                    forms: known.into_iter().map(|(term, list)| Form { term, idf: idf(list) }).collect(),
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

    /// Returns every passage with the word, and its score for the word.
    async fn all(&self, tx: &mut PgConnection, index: &mut Index, word: &Word<'_>) -> sqlx::Result<Scores> {
        let places: Vec<(&str, Vec<usize>)> =
            word.forms.iter().map(|form| (form.term, index.blocks(form.term))).collect();
        index.load(tx, &places).await?;
        let mut found = Scores::new();
        for form in &word.forms {
            let Some(list) = index.terms.get(form.term) else { continue };
            let score = |(project_key, posting): (i32, Posting)| Found {
                project_key,
                chunk_key: posting.chunk,
                score: (form.idf * self.weight(posting.frequency, posting.length)) as f32,
            };
            let merged = list.blocks.iter().flat_map(|block| block.postings());
            found.extend(merged.chain(list.pending.iter().copied()).map(score));
        }
        // Sorting is fast if the list is already sorted, as the blocks of one form are.
        found.sort_by_key(|found| found.chunk_key);
        found.dedup_by(|next, kept| {
            let same = next.chunk_key == kept.chunk_key;
            if same {
                kept.score = kept.score.max(next.score);
            }
            same
        });
        found.retain(|found| self.is_allowed(found.chunk_key) && index.is_alive(found.chunk_key));
        Ok(found)
    }

    fn is_allowed(&self, chunk: i64) -> bool {
        self.allowed.is_none_or(|allowed| allowed.binary_search(&chunk).is_ok())
    }

    /// Adds the score for the word to the scores of these passages.
    async fn complete(
        &self,
        tx: &mut PgConnection,
        index: &mut Index,
        word: &Word<'_>,
        scores: &mut Scores,
    ) -> sqlx::Result<()> {
        let places: Vec<(&str, Vec<usize>)> = word
            .forms
            .iter()
            .map(|form| {
                (form.term, index.terms.get(form.term).map_or_else(Vec::new, |list| near(list, scores)))
            })
            .collect();
        index.load(tx, &places).await?;
        let mut gained = vec![0.0_f32; scores.len()];
        for (form, (_, places)) in word.forms.iter().zip(&places) {
            let Some(list) = index.terms.get(form.term) else { continue };
            let blocks = places.iter().filter_map(|place| list.blocks.get(*place));
            let postings = blocks.flat_map(|block| block.postings()).chain(list.pending.iter().copied());
            for (_, posting) in postings {
                if let Ok(at) = scores.binary_search_by_key(&posting.chunk, |found| found.chunk_key) {
                    let gain = (form.idf * self.weight(posting.frequency, posting.length)) as f32;
                    gained[at] = gained[at].max(gain);
                }
            }
        }
        for (found, gain) in scores.iter_mut().zip(gained) {
            found.score += gain;
        }
        Ok(())
    }
}

/// Returns the positions of the blocks that may contain one of these passages.
fn near(list: &List, scores: &Scores) -> Vec<usize> {
    let holds = |block: &Block| {
        let from = scores.partition_point(|found| found.chunk_key < block.first);
        let mut within = scores[from..].iter().take_while(|found| found.chunk_key <= block.last);
        within.any(|found| found.project_key == block.project_key)
    };
    let blocks = list.blocks.iter().enumerate();
    blocks.filter(|(_, block)| holds(block)).map(|(place, _)| place).collect()
}

/// Merges two lists; a passage in both gets the sum of its scores.
fn sum(some: &Scores, others: &Scores) -> Scores {
    let mut both = Scores::with_capacity(some.len() + others.len());
    let (mut some, mut others) = (some.iter().copied().peekable(), others.iter().copied().peekable());
    loop {
        match (some.peek().copied(), others.peek().copied()) {
            (Some(one), Some(other)) if one.chunk_key == other.chunk_key => {
                both.push(Found { score: one.score + other.score, ..one });
                some.next();
                others.next();
            }
            (Some(one), other) if other.is_none_or(|other| one.chunk_key < other.chunk_key) => {
                both.push(one);
                some.next();
            }
            (_, Some(other)) => {
                both.push(other);
                others.next();
            }
            (_, None) => return both,
        }
    }
}
