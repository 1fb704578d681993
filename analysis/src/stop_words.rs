//! Stop words of each language, in lower case and without accents.
//!
//! The lists contain only grammatical words (articles, prepositions, pronouns, auxiliaries, question words). "obra",
//! "nivel" or "fase" are frequent too, but somebody may search for them, and BM25 gives frequent words little weight.

use crate::Language;

/// Whether `word` (lower case, without accents) is a stop word of `language`. An unknown language has no stop words.
pub(crate) fn contains(language: Language, word: &str) -> bool {
    match language {
        Language::Spanish => SPANISH.binary_search(&word).is_ok(),
        Language::English => ENGLISH.binary_search(&word).is_ok(),
        Language::Unknown => false,
    }
}

/// Whether `word` is a stop word of any language.
pub(crate) fn contains_any(word: &str) -> bool {
    contains(Language::Spanish, word) || contains(Language::English, word)
}

#[rustfmt::skip] // with one word per line the lists would have 400 lines
const SPANISH: &[&str] = &[
    "a", "acerca", "ademas", "ahi", "ahora", "al", "algo", "algun", "alguna", "algunas", "alguno", "algunos",
    "alli", "ambas", "ambos", "ante", "antes", "aquel", "aquella", "aquellas", "aquello", "aquellos", "aqui",
    "asi", "aun", "aunque", "bajo", "bien", "cada", "casi", "como", "con", "contra", "cual", "cuales",
    "cualquier", "cuando", "cuanta", "cuantas", "cuanto", "cuantos", "cuya", "cuyas", "cuyo", "cuyos", "de",
    "debe", "deben", "deberia", "del", "demas", "dentro", "desde", "despues", "donde", "durante", "e", "el",
    "ella", "ellas", "ello", "ellos", "en", "entonces", "entre", "era", "eran", "es", "esa", "esas", "ese",
    "eso", "esos", "esta", "estaba", "estaban", "estado", "estan", "estar", "estara", "estas", "este", "esto",
    "estos", "fue", "fuera", "fueron", "fuese", "ha", "haber", "habia", "habian", "habra", "hace", "hacen",
    "hacer", "hacia", "han", "has", "hasta", "hay", "he", "hemos", "hubo", "incluso", "la", "las", "le",
    "les", "lo", "los", "luego", "mas", "me", "mediante", "menos", "mi", "mia", "mientras", "mio", "mis",
    "misma", "mismas", "mismo", "mismos", "mucha", "muchas", "mucho", "muchos", "muy", "nada", "ni", "ningun",
    "ninguna", "ninguno", "no", "nos", "nosotros", "nuestra", "nuestras", "nuestro", "nuestros", "nunca", "o",
    "os", "otra", "otras", "otro", "otros", "para", "pero", "poca", "pocas", "poco", "pocos", "podria",
    "podrian", "por", "porque", "puede", "pueden", "pues", "que", "quien", "quienes", "se", "sea", "sean",
    "segun", "ser", "sera", "seran", "si", "sido", "siempre", "siendo", "sin", "sino", "sobre", "sois",
    "solo", "son", "soy", "su", "sus", "suya", "suyas", "suyo", "suyos", "tal", "tales", "tambien", "tampoco",
    "tan", "tanta", "tantas", "tanto", "tantos", "te", "tener", "tengo", "tenia", "ti", "tiene", "tienen",
    "toda", "todas", "todavia", "todo", "todos", "tras", "tu", "tus", "u", "un", "una", "unas", "uno", "unos",
    "usted", "ustedes", "va", "van", "y", "ya", "yo",
];

#[rustfmt::skip]
const ENGLISH: &[&str] = &[
    "a", "about", "above", "after", "again", "against", "all", "also", "am", "among", "an", "and", "any",
    "are", "aren", "as", "at", "be", "because", "been", "before", "being", "below", "between", "both", "but",
    "by", "can", "cannot", "could", "d", "did", "didn", "do", "does", "doesn", "doing", "don", "done", "down",
    "during", "each", "either", "else", "ever", "every", "few", "for", "from", "further", "had", "has",
    "have", "having", "he", "hence", "her", "here", "hers", "herself", "him", "himself", "his", "how",
    "however", "i", "if", "in", "into", "is", "isn", "it", "its", "itself", "just", "ll", "m", "may", "me",
    "might", "more", "most", "much", "must", "my", "myself", "neither", "no", "nor", "not", "of", "off", "on",
    "once", "only", "or", "other", "our", "ours", "out", "over", "own", "per", "rather", "re", "s", "same",
    "shall", "she", "should", "since", "so", "some", "such", "t", "than", "that", "the", "their", "theirs",
    "them", "themselves", "then", "there", "these", "they", "this", "those", "though", "through", "thus",
    "to", "too", "under", "until", "up", "upon", "us", "ve", "very", "was", "wasn", "we", "were", "weren",
    "what", "when", "where", "whether", "which", "while", "who", "whom", "whose", "why", "will", "with",
    "within", "without", "won", "would", "yet", "you", "your", "yours",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_folded() {
        for list in [SPANISH, ENGLISH] {
            assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "the list is sorted for binary search");
            assert!(list.iter().all(|word| crate::fold::fold(word) == *word), "every word is folded");
        }
    }
}
