//! How well a sentence may answer a question, and how likely the best one does.

/// Weights of a sentence's score, relative to its passage's similarity to the question: of what the sentence adds to this
/// similarity, of the words that it and its passage share with the question, and of a figure if the question asks for
/// one. They are fitted to XQuAD in Spanish and English, so that the sentence with the answer has the highest score.
const OF_DIFFERENCE: f32 = 1.5;
const OF_WORDS: f32 = 0.06;
const OF_PASSAGE_WORDS: f32 = 0.08;
const OF_FIGURE: f32 = 0.016;

/// Weights of a logistic function for the probability that the documents answer the question. They are fitted to XQuAD in
/// Spanish and English: questions asked with and without their paragraph among others of the same topic. The bias answers
/// at odds of one to two, because a doubtful answer shows its source. `examples/answer_rates` measures a change.
const BY_SIMILARITY: f32 = 39.0;
const BY_WORDS: f32 = 5.5;
const BY_PASSAGE_WORDS: f32 = 4.8;
const BIAS: f32 = -37.5;

/// The similarity of a passage that is assumed if the vector leg of the search was left out: then the words decide.
pub const USUAL_SIMILARITY: f32 = 0.85;

/// What is known about a sentence in comparison with the question.
#[derive(Debug, Clone)]
pub struct Features {
    /// Similarity of the passage to the question.
    pub passage: f32,
    /// What the sentence adds to this similarity; 0 if its vector is not known.
    pub difference: f32,
    /// The share of the question's words, weighted by rarity, that the sentence contains.
    pub words: f32,
    /// The same share for the whole passage with its title and heading.
    pub passage_words: f32,
    /// Whether the question asks for a figure and the sentence has one.
    pub figure: bool,
}

impl Features {
    /// How well the sentence answers, in comparison with others.
    pub fn score(&self) -> f32 {
        self.passage
            + OF_DIFFERENCE * self.difference
            + OF_WORDS * self.words
            + OF_PASSAGE_WORDS * self.passage_words
            + if self.figure { OF_FIGURE } else { 0.0 }
    }

    /// Estimated probability that the documents answer the question, if this is the best sentence.
    pub fn confidence(&self) -> f32 {
        let sum = BY_SIMILARITY * (self.passage + self.difference)
            + BY_WORDS * self.words
            + BY_PASSAGE_WORDS * self.passage_words
            + BIAS;
        1.0 / (1.0 + (-sum).exp())
    }
}

/// Whether a question asks for a figure: "¿Cuántos…?", "¿Qué tan ancho…?", "¿A qué distancia…?", "How many…?".
pub fn asks_for_a_figure(question: &str) -> bool {
    const WHAT: [&str; 12] = [
        "tan ",
        "espesor",
        "grosor",
        "altura",
        "profundidad",
        "ancho",
        "anchura",
        "diámetro",
        "diametro",
        "distancia",
        "longitud",
        "peso",
    ];
    const HOW: [&str; 14] = [
        "many", "much", "long", "deep", "often", "high", "wide", "thick", "quickly", "fast", "far", "tall",
        "heavy", "large",
    ];
    let question = question.to_lowercase().replace("qué ", "que ");
    let asks = |asking: &str, words: &[&str]| {
        question.split(asking).skip(1).any(|after| words.iter().any(|word| after.starts_with(word)))
    };
    question.contains("cuánt") || question.contains("cuant") || asks("que ", &WHAT) || asks("how ", &HOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_asks_for_a_figure_in_many_ways() {
        for asking in [
            "¿Cuántos días se cura?",
            "¿Que tan ancha es la zanja?",
            "¿Qué espesor tiene el muro?",
            "¿A qué distancia van los estribos?",
            "¿De que diametro son las barras?",
            "How thick is the wall?",
        ] {
            assert!(asks_for_a_figure(asking), "{asking}");
        }
        for other in ["¿Qué material tiene el muro?", "¿Quién mide el espesor?", "How is it cured?"] {
            assert!(!asks_for_a_figure(other), "{other}");
        }
    }
}
