//! Answers without a language model: quotes the sentences that answer best.

use std::collections::HashSet;

use analysis::sentences;
use schemas::text;

use super::{
    Answer, Asked, Findings,
    evidence::{Evidence, Sentence},
    passages::Passage,
};

/// The value of `answered_by` for answers without a language model.
pub const EXTRACTIVE: &str = "extractive";

/// Maximum number of sentences of an answer.
const MAX_SENTENCES: usize = 3;
/// Maximum difference between the best score and the score of a sentence in the answer.
const MARGIN: f32 = 0.015;
/// Maximum number of characters of a sentence in an answer. Of a longer table row, cells are left out first.
const MAX_SENTENCE_CHARS: usize = 500;
/// Two sentences that share this part of their words say the same, unless their figures differ.
const SAME: f32 = 0.7;

/// Returns the best sentences with their citations; an empty answer if the documents do not answer.
pub async fn answer(asked: &Asked<'_>, findings: &Findings) -> Answer {
    let mut answer = Answer { answered_by: EXTRACTIVE.to_owned(), ..Answer::default() };
    if !findings.evidence.answers {
        return answer;
    }
    for sentence in choose(&findings.evidence, &findings.passages) {
        let known = answer.cited.iter().find(|(_, passage)| *passage == sentence.passage);
        let number = known.map_or(answer.cited.len() as u32 + 1, |(number, _)| *number);
        if known.is_none() {
            answer.cited.push((number, sentence.passage));
        }
        let space = if answer.text.is_empty() { "" } else { " " };
        let passage = &findings.passages[sentence.passage];
        let is_asked_for = |cell: &str| findings.sought.words(cell, passage.language) != 0;
        let text = &passage.text[sentence.place.clone()];
        let quoted = on_one_line(text, passage.heading.trim(), is_asked_for);
        let piece = format!("{space}{quoted} [{number}]");
        asked.send(&piece).await;
        answer.text.push_str(&piece);
    }
    answer
}

/// Chooses the sentences of the answer, the best first.
fn choose<'a>(evidence: &'a Evidence, passages: &[Passage]) -> Vec<&'a Sentence> {
    let text = |sentence: &Sentence| &passages[sentence.passage].text[sentence.place.clone()];
    let Some(best) = evidence.sentences.first() else { return Vec::new() };
    let mut chosen: Vec<&Sentence> = vec![best];
    for sentence in evidence.sentences.iter().skip(1) {
        if chosen.len() == MAX_SENTENCES || sentence.features.score() < best.features.score() - MARGIN {
            break;
        }
        // In another passage the sentence must contain the same words; in the same passage the context is enough.
        let relevant =
            sentence.passage == best.passage || sentence.features.words >= best.features.words * 0.75;
        if relevant && !chosen.iter().any(|other| is_same(text(other), text(sentence))) {
            chosen.push(sentence);
        }
    }
    chosen
}

/// Returns a sentence on one line, with the heading before a table row. "[2]" in the document becomes "(2)", because
/// brackets in an answer are citations.
fn on_one_line(text: &str, heading: &str, is_asked_for: impl Fn(&str) -> bool) -> String {
    let line = text::one_line(text);
    let is_row = sentences::is_row(&line);
    let line = without_marker(&line).trim_end_matches(['|', ' ']);
    let line = if is_row { row(line, is_asked_for) } else { line.to_owned() };
    let line = text::shorten(&line, MAX_SENTENCE_CHARS);
    without_brackets(&if is_row && !heading.is_empty() { format!("{heading}: {line}") } else { line })
}

/// Returns a table row. If it is too long, only its first cell and the cells that are asked for are left.
fn row(line: &str, is_asked_for: impl Fn(&str) -> bool) -> String {
    const LEFT_OUT: &str = "…";
    let cells = line.split("; ").enumerate();
    let mut cells: Vec<&str> =
        cells.map(|(at, cell)| if at == 0 || is_asked_for(cell) { cell } else { LEFT_OUT }).collect();
    let none_is_asked_for = cells.iter().skip(1).all(|cell| *cell == LEFT_OUT);
    if none_is_asked_for || !text::is_longer(line, MAX_SENTENCE_CHARS) {
        return line.to_owned();
    }
    cells.dedup();
    cells.join("; ")
}

/// Removes the marker of a heading, list item or table row. A sign before a number is no marker.
fn without_marker(line: &str) -> &str {
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches(['|', '•', ' ']);
        let after = rest.trim_start_matches(['#', '-', '*']);
        if after.len() == rest.len() || !(after.is_empty() || after.starts_with(' ')) {
            return rest;
        }
        rest = after;
    }
}

fn without_brackets(text: &str) -> String {
    let mut pieces = text.split('[');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |out, piece| match piece.split_once(']') {
        Some((number, after)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{out}({number}){after}")
        }
        _ => format!("{out}[{piece}"),
    })
}

fn is_same(one: &str, other: &str) -> bool {
    let words = |text: &str| -> HashSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (one, other) = (words(one), words(other));
    let (fewer, more) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    // "La losa del piso 1 mide 22 cm." and "La losa del piso 2 mide 18 cm." share most of their words.
    let has_digit = |word: &str| word.contains(|c: char| c.is_ascii_digit());
    let same_figures = fewer.iter().all(|word| more.contains(word) || !has_digit(word));
    same_figures && fewer.intersection(&more).count() as f32 / fewer.len().max(1) as f32 >= SAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_a_document_do_not_become_citations() {
        assert_eq!(
            without_brackets("Según la norma [2], [nota] y [[14]] se cura 7 días ["),
            "Según la norma (2), [nota] y [(14)] se cura 7 días ["
        );
    }

    #[test]
    fn a_table_row_has_its_heading_before_it() {
        let quoted = |text: &str| on_one_line(text, "Puertas nivel 2", |_| false);
        assert_eq!(quoted("Puerta: P-204; Ancho: 0,90 m"), "Puertas nivel 2: Puerta: P-204; Ancho: 0,90 m");
        assert_eq!(quoted("| P-204 | 0,90 m |"), "Puertas nivel 2: P-204 | 0,90 m");
        assert_eq!(quoted("La puerta mide 0,90 m."), "La puerta mide 0,90 m.");
    }

    #[test]
    fn of_a_long_table_row_the_cells_that_are_asked_for_are_left() {
        let other = (1..=60).map(|n| format!("Columna {n}: valor")).collect::<Vec<_>>().join("; ");
        let row = format!("Puerta: P-204; {other}; Resistencia al fuego: F-60; Chapa: 3");
        let quoted = |asked: &str| on_one_line(&row, "", |cell| cell.contains(asked));
        assert_eq!(quoted("fuego"), "Puerta: P-204; …; Resistencia al fuego: F-60; …");
        assert!(quoted("vidrio").starts_with("Puerta: P-204; Columna 1: valor; Columna 2: valor; "));
        let whole = on_one_line("Puerta: P-204; Ancho: 0,90 m; Chapa: 3", "", |cell| cell.contains("Ancho"));
        assert_eq!(whole, "Puerta: P-204; Ancho: 0,90 m; Chapa: 3");
    }

    #[test]
    fn a_marker_is_removed_and_a_sign_is_not() {
        for (line, expected) in [
            ("## - Losa", "Losa"),
            ("• Losa", "Losa"),
            ("| -3,50 | Sótano", "-3,50 | Sótano"),
            ("-5 °C es el mínimo.", "-5 °C es el mínimo."),
            ("#5 bars at 12 in.", "#5 bars at 12 in."),
            ("---", ""),
        ] {
            assert_eq!(without_marker(line), expected);
        }
    }

    #[test]
    fn sentences_with_the_same_content_are_recognized() {
        assert!(is_same("La losa se cura 7 días.", "La losa se cura 7 días con agua."));
        assert!(!is_same("La losa se cura 7 días.", "El muro se descimbra a las 24 horas."));
        assert!(!is_same("La losa del piso 1 mide 22 cm.", "La losa del piso 2 mide 18 cm."));
    }
}
