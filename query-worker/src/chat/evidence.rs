//! Evidence: the sentences that may answer a question, best first, and whether one of them does.

use std::collections::HashSet;

use analysis::{bm25, detect, sentences, terms};
use schemas::text;

use super::{
    Asked,
    passages::{Passage, Retrieved},
};
use crate::{error::Result, scope, search::keyword};

/// Maximum number of sentences whose meaning is compared with the question; each needs an embedding.
const COMPARED: usize = 32;
/// All sentences of this many best passages are compared, because an answer may use other words than the question.
const WHOLE_PASSAGES: usize = 3;
/// Maximum number of characters of a sentence that are compared; a longer one may be a table without line ends.
const MAX_SENTENCE_CHARS: usize = 600;
/// Minimum number of words of a sentence. Shorter ones are headings, greetings or names, and do not answer a question.
const FEWEST_WORDS: usize = 3;

/// What is added to a sentence's similarity to the question: for its passage's similarity, for the words it shares with
/// the question, and for a figure if the question asks for one. Tuned on the questions of the samples.
const OF_PASSAGE: f32 = 0.5;
const OF_WORDS: f32 = 0.08;
const OF_FIGURE: f32 = 0.03;

/// Weights of a logistic function for the probability that the documents answer the question. Its inputs are the best
/// sentence's similarity, the share of the question's words in its passage, and the margin of the best passage over the
/// background. The first two weights are fitted to XQuAD-es (questions with and without their paragraph). The margin
/// adds nothing there, but it separates questions about a project from unrelated ones, for which all passages are
/// equally near. The bias answers slightly below even odds, because a doubtful answer shows its source.
/// `examples/answer_rates.rs` measures a change.
const BY_MEANING: f32 = 40.0;
const BY_WORDS: f32 = 8.2;
const BY_MARGIN: f32 = 20.0;
const BIAS: f32 = -39.2;
/// The least share of a follow-up's own words, weighted by rarity, that the passage must contain.
const OWN_WORDS: f32 = 0.34;
/// A typical margin, which is used if there are too few passages to compare with.
const USUAL_MARGIN: f32 = 0.07;

/// A word of the question. The rarer it is, the higher is its weight.
struct Word {
    forms: Vec<String>,
    weight: f32,
}

/// A sentence of a passage, compared with the question.
#[derive(Debug, Clone)]
pub struct Sentence {
    /// The index of the passage that contains the sentence.
    pub passage: usize,
    pub text: String,
    /// The share of the question's words, weighted by rarity, that the sentence contains.
    pub words: f32,
    /// The same share for the whole passage with its title and heading.
    passage_words: f32,
    /// Cosine similarity with the question.
    meaning: f32,
    pub score: f32,
}

#[derive(Debug, Default)]
pub struct Evidence {
    /// The sentences, the best first.
    pub sentences: Vec<Sentence>,
    /// Estimated probability that the documents answer the question, from 0 to 1.
    confidence: f32,
}

impl Evidence {
    /// Whether the documents answer the question.
    pub fn answers(&self) -> bool {
        self.confidence >= 0.5
    }

    /// Returns the indices of the passages, those with the best sentences first.
    pub fn passage_order(&self, passages: usize) -> Vec<usize> {
        let mut order: Vec<usize> = Vec::with_capacity(passages);
        for at in self.sentences.iter().map(|sentence| sentence.passage).chain(0..passages) {
            if !order.contains(&at) {
                order.push(at);
            }
        }
        order
    }
}

/// Compares a completed question with the passages that were retrieved for it.
pub async fn gather(asked: &Asked<'_>, question: &str, retrieved: &Retrieved) -> Result<Evidence> {
    let passages = &retrieved.passages;
    if passages.is_empty() {
        return Ok(Evidence::default());
    }
    let words = words(asked, question).await?;
    let mut sentences: Vec<Sentence> =
        passages.iter().enumerate().flat_map(|(at, passage)| split(at, passage, &words)).collect();
    sentences.sort_by(|a, b| worth_comparing(b).total_cmp(&worth_comparing(a)));
    sentences.truncate(COMPARED);
    compare(asked, question, passages, &mut sentences).await?;
    sentences.sort_by(|a, b| b.score.total_cmp(&a.score));
    // Words from the conversation must not answer the question alone, so the passage must also contain words that the
    // user typed.
    let typed = asked.query.message.as_str();
    let confidence = match sentences.first() {
        Some(best) if typed == question || has_typed_words(&passages[best.passage], typed, &words) => {
            confidence(best, retrieved)
        }
        _ => 0.0,
    };
    tracing::debug!(
        confidence,
        meaning = sentences.first().map(|best| best.meaning),
        words = sentences.first().map(|best| best.passage_words),
        background = retrieved.background,
        "evidence"
    );
    Ok(Evidence { sentences, confidence })
}

/// Returns the words of the question, weighted by their rarity among the passages of the scope.
async fn words(asked: &Asked<'_>, question: &str) -> sqlx::Result<Vec<Word>> {
    let terms = terms::query_terms(question);
    let mut transaction = scope::begin(&asked.app.pool, &asked.query.scope).await?;
    let projects = scope::projects(&mut transaction).await?;
    let counts = keyword::passages_with(&mut transaction, &projects, &terms).await?;
    let weigh = |term: terms::QueryTerm| {
        // A passage contains the word if it contains any of its forms, so their counts are added.
        let with_any = term.forms.iter().filter_map(|form| counts.get(form)).sum();
        Word { weight: bm25::idf(projects.chunks.unsigned_abs(), with_any) as f32, forms: term.forms }
    };
    Ok(terms.into_iter().map(weigh).collect())
}

/// Whether a passage contains enough of the typed words; true if all typed words are stop words.
fn has_typed_words(passage: &Passage, typed: &str, words: &[Word]) -> bool {
    if terms::index_terms(typed, detect(typed)).is_empty() {
        return true;
    }
    let own = terms::query_terms(typed);
    let own: Vec<&Word> =
        words.iter().filter(|word| own.iter().any(|term| term.forms == word.forms)).collect();
    share(own, &whole(passage), passage) >= OWN_WORDS
}

/// Returns the text of a passage with its title, number and heading.
fn whole(passage: &Passage) -> String {
    [passage.row.fields.title.as_str(), passage.row.fields.number.as_str(), &passage.heading, &passage.text]
        .join("\n")
}

fn split(at: usize, passage: &Passage, words: &[Word]) -> Vec<Sentence> {
    let passage_words = share(words, &whole(passage), passage);
    sentences::split(&passage.text)
        .into_iter()
        .filter(|text| has_enough_words(text) && !is_title(text, passage))
        .map(|text| Sentence {
            passage: at,
            text: text.to_owned(),
            words: share(words, text, passage),
            passage_words,
            meaning: 0.0,
            score: 0.0,
        })
        .collect()
}

fn has_enough_words(text: &str) -> bool {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count() >= FEWEST_WORDS
}

/// Whether a sentence only repeats the title or the heading of its passage.
fn is_title(text: &str, passage: &Passage) -> bool {
    let bare = |text: &str| text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let text = bare(text);
    text == bare(&passage.row.fields.title) || text == bare(&passage.heading)
}

fn share<'a>(words: impl IntoIterator<Item = &'a Word>, text: &str, passage: &Passage) -> f32 {
    let terms: HashSet<String> =
        terms::index_terms(text, passage.language).into_iter().map(|term| term.text).collect();
    let (mut held, mut all) = (0.0, 0.0);
    for word in words {
        all += word.weight;
        if word.forms.iter().any(|form| terms.contains(form)) {
            held += word.weight;
        }
    }
    if all > 0.0 { held / all } else { 0.0 }
}

fn worth_comparing(sentence: &Sentence) -> f32 {
    let whole = if sentence.passage < WHOLE_PASSAGES { 1.0 } else { 0.0 };
    whole + sentence.words + 0.2 * sentence.passage_words
}

/// Embeds the sentences and computes their scores.
async fn compare(
    asked: &Asked<'_>,
    question: &str,
    passages: &[Passage],
    sentences: &mut [Sentence],
) -> Result<()> {
    let texts: Vec<String> =
        sentences.iter().map(|sentence| in_context(&sentence.text, &passages[sentence.passage])).collect();
    let model = &asked.app.model;
    let (vector, vectors) = tokio::try_join!(model.query(question), model.passages(texts))?;
    let figure_asked = asks_for_a_figure(question);
    for (sentence, other) in sentences.iter_mut().zip(vectors) {
        sentence.meaning = vector.iter().zip(&other).map(|(a, b)| a * b).sum();
        let has_figure = sentence.text.contains(|c: char| c.is_ascii_digit());
        sentence.score = sentence.meaning
            + OF_PASSAGE * passages[sentence.passage].row.vector_score
            + OF_WORDS * sentence.words
            + if figure_asked && has_figure { OF_FIGURE } else { 0.0 };
    }
    Ok(())
}

/// Returns a sentence with its heading, because a row of a table has no meaning without it.
fn in_context(text: &str, passage: &Passage) -> String {
    let context = if passage.heading.is_empty() { &passage.row.fields.title } else { &passage.heading };
    let text = text::clip(text, MAX_SENTENCE_CHARS);
    if context.is_empty() || text.contains(context.as_str()) {
        text.to_owned()
    } else {
        format!("{context}: {text}")
    }
}

/// Whether a question asks for a figure: "¿Cuántos…?", "How many…?".
fn asks_for_a_figure(question: &str) -> bool {
    const ASKING: [&str; 2] = ["cuánt", "cuant"];
    const HOW: [&str; 14] = [
        "many", "much", "long", "deep", "often", "high", "wide", "thick", "quickly", "fast", "far", "tall",
        "heavy", "large",
    ];
    let question = question.to_lowercase();
    let how = |after: &str| HOW.iter().any(|word| after.starts_with(word));
    ASKING.iter().any(|asking| question.contains(asking)) || question.split("how ").skip(1).any(how)
}

fn confidence(best: &Sentence, retrieved: &Retrieved) -> f32 {
    let top = retrieved.passages.iter().map(|passage| passage.row.vector_score).fold(0.0, f32::max);
    let margin = retrieved.background.map_or(USUAL_MARGIN, |background| top - background);
    let sum = BY_MEANING * best.meaning + BY_WORDS * best.passage_words + BY_MARGIN * margin + BIAS;
    1.0 / (1.0 + (-sum).exp())
}
