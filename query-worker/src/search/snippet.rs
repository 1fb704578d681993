//! The part of a passage that shows why it was found.

use std::collections::HashSet;

use analysis::{detect, sentences, terms};

/// Longest snippet, in characters.
const MAX_CHARS: usize = 320;

/// The run of sentences of `text` that holds most of the query's words, cut to a readable length.
pub fn around(text: &str, query: &str) -> String {
    if text.chars().count() <= MAX_CHARS {
        return text.trim().to_owned();
    }
    let wanted: HashSet<String> = terms::query_terms(query).into_iter().flat_map(|word| word.forms).collect();
    let language = detect(text);
    let sentences: Vec<(&str, usize)> = sentences::split(text)
        .into_iter()
        .map(|sentence| {
            let found = terms::index_terms(sentence, language);
            (sentence, found.iter().filter(|term| wanted.contains(&term.text)).count())
        })
        .collect();
    let best = (0..sentences.len()).rev().max_by_key(|&start| window(&sentences[start..]).1).unwrap_or(0);
    let (length, _) = window(&sentences[best..]);
    let snippet = sentences[best..best + length]
        .iter()
        .map(|(sentence, _)| sentence.trim())
        .collect::<Vec<_>>()
        .join(" ");
    cut(&snippet)
}

/// How many sentences from the first on fit a snippet, and how many of the query's words they hold.
fn window(sentences: &[(&str, usize)]) -> (usize, usize) {
    let (mut length, mut chars, mut words) = (0, 0, 0);
    for (sentence, found) in sentences {
        chars += sentence.chars().count() + 1;
        if length > 0 && chars > MAX_CHARS {
            break;
        }
        length += 1;
        words += found;
    }
    (length, words)
}

fn cut(snippet: &str) -> String {
    match snippet.char_indices().nth(MAX_CHARS) {
        None => snippet.to_owned(),
        Some((end, _)) => {
            let end = snippet[..end].rfind(char::is_whitespace).unwrap_or(end);
            format!("{}…", snippet[..end].trim_end())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snippet_holds_what_was_asked_for() {
        let filler = "La obra se ejecuta según el plan de trabajo aprobado por la dirección. ".repeat(8);
        let text = format!("{filler}El hormigón de los muros será HA-30. {filler}");
        let snippet = around(&text, "hormigón de los muros");
        assert!(snippet.contains("HA-30"), "{snippet}");
        assert!(snippet.chars().count() <= MAX_CHARS + 1);
    }

    #[test]
    fn one_endless_sentence_is_cut_between_words() {
        let snippet = around(&"ñandú ".repeat(500), "nada");
        assert!(snippet.ends_with("ñandú…") && snippet.chars().count() <= MAX_CHARS + 1);
    }
}
