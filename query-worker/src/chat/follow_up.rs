//! Completes a follow-up question: "¿y la del segundo piso?" repeats the last question for another object.
//!
//! No language model is used, so only the usual forms are known: the same question about another object, or another
//! question about the same object.

use analysis::terms;

/// Words and phrases that begin a follow-up to the last question.
const CONNECTORS: &[&str] = &[
    "y",
    "e",
    "o",
    "pero",
    "entonces",
    "ahora",
    "and",
    "but",
    "or",
    "so",
    "then",
    "ok",
    "vale",
    "bueno",
    "también",
    "tambien",
    "also",
    "qué tal",
    "que tal",
    "qué hay de",
    "que hay de",
    "qué hay con",
    "que hay con",
    "qué pasa con",
    "que pasa con",
    "what about",
    "how about",
    "what of",
    "what if it is",
];

/// Words that begin a complete question.
const ASKING: &[&str] = &[
    "qué", "que", "cuál", "cual", "cuáles", "cuales", "cuánto", "cuanto", "cuánta", "cuanta", "cuántos",
    "cuantos", "cuántas", "cuantas", "cómo", "como", "dónde", "donde", "cuándo", "cuando", "quién", "quien",
    "quiénes", "quienes", "adónde", "what", "which", "how", "when", "where", "who", "whom", "whose", "why",
    "is", "are", "was", "were", "do", "does", "did", "can", "could", "must", "should", "has", "have", "will",
    "hay", "es", "son", "está", "están", "estan", "se", "tiene", "tienen", "debe", "deben", "puede",
    "pueden", "lleva", "llevan",
];

/// Words that refer to something mentioned before. Without "la" and "los", which are almost always articles.
const POINTING: &[&str] = &[
    "eso", "esa", "ese", "esas", "esos", "esto", "esta", "este", "ahí", "ahi", "allí", "alli", "ello",
    "ella", "ellas", "ellos", "aquella", "aquel", "lo", "le", "les", "su", "sus", "mismo", "misma", "it",
    "its", "that", "this", "those", "these", "there", "they", "them", "their", "one", "ones", "same",
];

/// Words that replace a noun, such as "la" in "la del segundo piso": the text after them is the new object.
const STAND_INS: &[&str] = &[
    "la", "el", "los", "las", "lo", "en la", "en el", "en los", "en las", "a la", "al", "para la", "para el",
    "para los", "para las", "the one", "the ones", "that", "those", "the",
];

/// Prepositions before a complement, in groups; each may be replaced by another one of its group.
const PREPOSITIONS: &[&[&str]] = &[
    &[
        "de la", "de las", "de los", "del", "de", "of the", "of", "for the", "for", "para la", "para las",
        "para los", "para el", "para",
    ],
    &["en la", "en las", "en los", "en el", "en", "on the", "on", "in the", "in", "at the", "at", "sobre"],
];

/// A question with fewer words of content than this depends on earlier questions.
const FEW: usize = 2;

/// Returns the possible meanings of a question as complete questions, the most likely first; there is at least one.
pub fn readings(question: &str, previous: Option<&str>) -> Vec<String> {
    let alone = question.trim().to_owned();
    let Some(previous) = previous.map(bare).filter(|previous| !previous.is_empty()) else {
        return vec![alone];
    };
    let (connected, rest) = without_connectors(&alone);
    // "What's" and "hola, ¿qué" contain two words each.
    let words = rest.split(|c: char| c.is_whitespace() || "'’,;:¿?¡!".contains(c));
    let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    let is_asking = |at: usize| words.get(at).is_some_and(|word| ASKING.contains(&word.as_str()));
    let asks = is_asking(0) || is_asking(1) && words[0].chars().count() <= 4;
    let content = terms::query_terms(rest).len();
    let joined = format!("{previous} {rest}");
    if !asks && (connected || content <= FEW) && words.len() <= 12 {
        let meant = exchange(previous, rest).unwrap_or(joined);
        // "¿y en invierno?" is not complete by itself; "curado de losas" is.
        return if connected { vec![meant] } else { vec![meant, alone] };
    }
    let depends = connected || words.iter().any(|word| POINTING.contains(&word.as_str()));
    if depends && content < FEW {
        vec![joined, alone]
    } else if depends || content <= FEW {
        vec![alone, joined]
    } else {
        vec![alone]
    }
}

/// Returns a question without punctuation around it.
fn bare(question: &str) -> &str {
    question.trim_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation() || "¿¡…".contains(c))
}

fn without_connectors(question: &str) -> (bool, &str) {
    let mut rest = bare(question);
    let mut connected = false;
    while let Some(after) =
        CONNECTORS.iter().filter_map(|connector| strip_words(rest, connector)).min_by_key(|rest| rest.len())
    {
        connected = true;
        rest = bare(after);
    }
    (connected, rest)
}

/// Returns the text after `words`, if the text begins with them.
fn strip_words<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let head = text.get(..words.len())?;
    let rest = &text[words.len()..];
    // "E-101" is the name of a thing and does not begin with "e".
    let ends = |c: char| !c.is_alphanumeric() && !"-_/'’".contains(c);
    (head.to_lowercase() == words && rest.starts_with(ends)).then(|| rest.trim_start())
}

/// Replaces the last complement of the previous question: "… la losa del primer piso" and "la del segundo piso" become
/// "… la losa del segundo piso". A new object without a preposition replaces the last complement of any kind.
fn exchange(previous: &str, rest: &str) -> Option<String> {
    let class_of = |text: &str| {
        let begins = |preposition: &&str| strip_words(text, preposition).is_some();
        PREPOSITIONS.iter().find(|class| class.iter().any(begins))
    };
    let mut objects = STAND_INS.iter().filter_map(|stand_in| strip_words(rest, stand_in));
    let object = objects.find(|after| class_of(after).is_some()).unwrap_or(rest);
    let class = class_of(object);
    let complements = PREPOSITIONS.iter().filter_map(|class| last_complement(previous, class));
    let (start, preposition) = match class {
        Some(class) => last_complement(previous, class)?,
        None => complements.max_by_key(|(start, _)| *start)?,
    };
    let kept = previous[..start].trim_end();
    if class.is_some() {
        return Some(format!("{kept} {object}"));
    }
    // In "¿y las vigas?", the preposition of the old object is kept, without its article.
    let preposition =
        if preposition == "del" { "de" } else { preposition.split(' ').next().unwrap_or(preposition) };
    Some(format!("{kept} {preposition} {object}"))
}

/// Returns the position of the last complement with a preposition of this group, and the preposition.
fn last_complement<'a>(text: &str, class: &[&'a str]) -> Option<(usize, &'a str)> {
    let spaces = text.char_indices().filter(|(at, c)| *at > 0 && c.is_whitespace());
    spaces.rev().find_map(|(at, space)| {
        let start = at + space.len_utf8();
        let found = class.iter().filter(|preposition| strip_words(&text[start..], preposition).is_some());
        found.max_by_key(|preposition| preposition.len()).map(|preposition| (start, *preposition))
    })
}

#[cfg(test)]
mod tests;
