//! An answer without a language model: the sentences that answer best, as they stand in the documents.

use std::collections::HashSet;

use schemas::text;

use super::{
    Answer, Asked, Findings,
    evidence::{Evidence, Sentence},
    passages::Passage,
};

/// What answers say of who made them when no language model did.
pub const EXTRACTIVE: &str = "extractive";

/// Sentences of one answer at most.
const MOST: usize = 3;
/// How far behind the best one a sentence may lie and still say something to the question.
const MARGIN: f32 = 0.04;
/// A longer sentence is cut: an answer is read, not studied.
const MAX_SENTENCE_CHARS: usize = 500;
/// Two sentences that share this much of their words say the same.
const SAME: f32 = 0.7;

/// The best sentences as they stand, each with its citation, if they answer.
pub async fn answer(asked: &Asked<'_>, findings: &Findings) -> Answer {
    let mut answer = Answer { answered_by: EXTRACTIVE.to_owned(), ..Answer::default() };
    if !findings.evidence.answers() {
        return answer;
    }
    for sentence in choose(&findings.evidence) {
        let known = answer.cited.iter().find(|(_, passage)| *passage == sentence.passage);
        let number = known.map_or(answer.cited.len() as u32 + 1, |(number, _)| *number);
        if known.is_none() {
            answer.cited.push((number, sentence.passage));
        }
        let space = if answer.text.is_empty() { "" } else { " " };
        let piece = format!("{space}{} [{number}]", readable(sentence, &findings.passages));
        asked.send(&piece).await;
        answer.text.push_str(&piece);
    }
    answer
}

/// The sentences to answer with, the best first.
fn choose(evidence: &Evidence) -> Vec<&Sentence> {
    let Some(best) = evidence.sentences.first() else { return Vec::new() };
    let mut chosen: Vec<&Sentence> = vec![best];
    for sentence in evidence.sentences.iter().skip(1) {
        if chosen.len() == MOST || sentence.score < best.score - MARGIN {
            break;
        }
        // Another passage must speak of the same in the same words; in the passage itself the context does.
        let relevant = sentence.passage == best.passage || sentence.words >= best.words * 0.75;
        if relevant && !chosen.iter().any(|other| is_same(&other.text, &sentence.text)) {
            chosen.push(sentence);
        }
    }
    chosen
}

/// The sentence in one line, its own "[2]" made "(2)": in an answer, brackets cite the answer's sources. A row of a table
/// comes after its heading.
fn readable(sentence: &Sentence, passages: &[Passage]) -> String {
    let heading = passages.get(sentence.passage).map_or("", |passage| passage.heading.trim());
    let line = text::one_line(&sentence.text);
    let line = line.trim_start_matches(['#', '|', '-', '•', '*', ' ']).trim_end_matches(['|', ' ']);
    let line = text::shorten(line, MAX_SENTENCE_CHARS);
    let is_row = line.contains(" | ");
    without_brackets(&if is_row && !heading.is_empty() { format!("{heading}: {line}") } else { line })
}

fn without_brackets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once('[') {
        out.push_str(before);
        match inside.split_once(']') {
            Some((number, after)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
                out.push_str(&format!("({number})"));
                rest = after;
            }
            _ => {
                out.push('[');
                rest = inside;
            }
        }
    }
    out + rest
}

fn is_same(one: &str, other: &str) -> bool {
    let words = |text: &str| -> HashSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (one, other) = (words(one), words(other));
    let fewer = one.len().min(other.len()).max(1) as f32;
    one.intersection(&other).count() as f32 / fewer >= SAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documents_own_brackets_cite_nothing() {
        assert_eq!(
            without_brackets("Según la norma [2], [nota] y [[14]] se cura 7 días ["),
            "Según la norma (2), [nota] y [(14)] se cura 7 días ["
        );
    }

    #[test]
    fn the_same_thing_is_not_said_twice() {
        assert!(is_same("La losa se cura 7 días.", "La losa se cura 7 días con agua."));
        assert!(!is_same("La losa se cura 7 días.", "El muro se descimbra a las 24 horas."));
    }
}
