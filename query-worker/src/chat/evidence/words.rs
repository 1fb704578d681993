//! The words of a question, and which of them a text contains.

use analysis::{
    Language,
    terms::{self, QueryTerm, Sought},
};

/// The words of a question, weighted by their rarity. There are at most as many as a [`Held`] has bits.
pub struct Words {
    sought: Sought,
    weights: Vec<f32>,
}

/// A set of words of the question: the bit of each word that a text contains.
pub type Held = u64;

impl Words {
    /// `rarity` is that of each word among the passages of the scope; without it, all words weigh the same.
    pub fn of(question: &[QueryTerm], rarity: &[f32]) -> Self {
        let weights =
            if rarity.len() == question.len() { rarity.to_vec() } else { vec![1.0; question.len()] };
        Self { sought: Sought::of(question), weights }
    }

    /// Returns which words a text contains.
    pub fn held(&self, text: &str, language: Language) -> Held {
        self.sought.words(text, language)
    }

    /// Returns the words that are typed in a text, which is this question or a part of it.
    pub fn typed(&self, text: &str) -> Held {
        let terms = terms::query_terms(text);
        let forms = terms.iter().flat_map(|term| &term.forms);
        forms.fold(0, |typed, form| typed | self.sought.words_of(form))
    }

    /// Returns the share of the words of a set that a text contains; 0 without any.
    pub fn share_of(&self, words: Held, held: Held) -> f32 {
        let all = self.weight(words);
        if all > 0.0 { self.weight(words & held) / all } else { 0.0 }
    }

    /// Returns the share of the question's words that a text contains.
    pub fn share(&self, held: Held) -> f32 {
        self.share_of(Held::MAX, held)
    }

    fn weight(&self, held: Held) -> f32 {
        let weights = self.weights.iter().enumerate();
        weights.filter(|(number, _)| held >> number & 1 == 1).map(|(_, weight)| weight).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_holds_words_in_any_form_and_rare_ones_weigh_more() {
        let question = terms::query_terms("¿Qué espesor tienen las losas?");
        let words = Words::of(&question, &[3.0, 1.0]);
        let held = |text: &str| words.share(words.held(text, Language::Spanish));
        assert_eq!(held("Los espesores de la losa."), 1.0);
        assert_eq!(held("El espesor del muro."), 0.75);
        assert_eq!(held("Nada."), 0.0);
        assert_eq!(
            words.share_of(words.typed("¿y la losa?"), words.held("La losa.", Language::Spanish)),
            1.0
        );
        // Rarities of another number of words are not used.
        let words = Words::of(&question, &[]);
        assert_eq!(words.share(words.held("El espesor del muro.", Language::Spanish)), 0.5);
    }
}
