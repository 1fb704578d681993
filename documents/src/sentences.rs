//! The vectors of a passage's sentences, by which chat chooses what to quote, in the form in which they are stored.
//!
//! The model makes them in its run over the passage, so they are near the passage's own vector, and only the difference
//! is stored: the sign of each of its numbers, and their mean size. A question's similarity to a sentence is its
//! similarity to the passage plus its product with this difference. docs/performance.md compares other forms.

use std::ops::Range;

use crate::Passage;

/// Minimum number of words of a sentence with a vector. Shorter ones are headings, greetings or names, and do not answer
/// a question.
const FEWEST_WORDS: usize = 3;
/// Maximum number of sentences with a vector; a passage with more is a list, whose later rows are not quoted.
const MOST: usize = 64;

/// The stored form begins with the fingerprint of the sentences' places, in this many bytes. Then come, for each
/// sentence, the mean size of its numbers and their signs.
const HEAD: usize = 4;

/// Returns what of a passage is embedded: its text under its heading, and the places of the sentences in it.
pub fn to_embed(heading: &str, text: &str) -> (String, Vec<Range<usize>>) {
    let whole = Passage::under_heading(heading, text);
    let before = whole.len() - text.len();
    let spans = spans(text).into_iter().map(|span| span.start + before..span.end + before).collect();
    (whole, spans)
}

/// Returns the places of the sentences of a passage that an answer may quote, in bytes.
pub fn spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = analysis::sentences::spans(text);
    spans.retain(|span| {
        let words = text[span.clone()].split_whitespace();
        let words = words.filter(|word| word.chars().any(char::is_alphanumeric));
        words.take(FEWEST_WORDS).count() == FEWEST_WORDS
    });
    spans.truncate(MOST);
    spans
}

/// Returns the stored form of the vectors of a passage's sentences, which are those of [`spans`]; empty without any.
pub fn encode(text: &str, passage: &[f32], sentences: &[Vec<f32>]) -> Vec<u8> {
    let spans = spans(text);
    if spans.is_empty() || spans.len() != sentences.len() {
        return Vec::new();
    }
    let mut data = fingerprint(&spans).to_le_bytes().to_vec();
    for sentence in sentences {
        // A sentence that the model did not read has the zero vector: it is as near as its passage.
        let is_read = sentence.iter().any(|number| *number != 0.0);
        let difference: Vec<f32> =
            sentence.iter().zip(passage).map(|(a, b)| if is_read { a - b } else { 0.0 }).collect();
        let size = difference.iter().map(|number| number.abs()).sum::<f32>() / difference.len().max(1) as f32;
        data.extend(size.to_le_bytes());
        let bit = |(at, number): (usize, &f32)| u8::from(number.is_sign_positive()) << at;
        data.extend(difference.chunks(8).map(|numbers| numbers.iter().enumerate().map(bit).sum::<u8>()));
    }
    data
}

/// Returns what each sentence of a passage adds to the passage's similarity to a question. Returns `None` if the stored
/// sentences are not these, because they were split by other rules, or made by a model of another dimension.
pub fn differences(data: &[u8], spans: &[Range<usize>], question: &[f32]) -> Option<Vec<f32>> {
    let (head, sentences) = data.split_first_chunk::<HEAD>()?;
    let size = size_of::<f32>() + question.len().div_ceil(8);
    if u32::from_le_bytes(*head) != fingerprint(spans) || sentences.len() != size * spans.len() {
        return None;
    }
    sentences.chunks_exact(size).map(|sentence| product(sentence, question)).collect()
}

fn product(sentence: &[u8], question: &[f32]) -> Option<f32> {
    let (size, signs) = sentence.split_first_chunk()?;
    let signed = |(byte, numbers): (&u8, &[f32])| {
        let signed = numbers
            .iter()
            .enumerate()
            .map(|(at, number)| if byte >> at & 1 == 1 { *number } else { -number });
        signed.sum::<f32>()
    };
    let sum: f32 = signs.iter().zip(question.chunks(8)).map(signed).sum();
    Some(sum * f32::from_le_bytes(*size))
}

/// A number that is another one if the sentences are at other places (FNV-1a).
fn fingerprint(spans: &[Range<usize>]) -> u32 {
    let bytes = spans.iter().flat_map(|span| [span.start as u32, span.end as u32]).flat_map(u32::to_le_bytes);
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "La losa mide 22 cm. Sí. El muro de contención mide 30 cm de espesor. Fin de obra: mayo.";

    /// Vectors that differ from each other as those of the model do.
    fn vectors(count: usize) -> Vec<Vec<f32>> {
        let number = |vector: usize, at: usize| {
            let shared = ((at * 7919) % 101) as f32 / 50.0 - 1.0;
            shared + ((at * 31 + vector * 977) % 89) as f32 / 150.0 - 0.3
        };
        (0..count).map(|vector| normalized((0..384).map(|at| number(vector, at)).collect())).collect()
    }

    fn normalized(vector: Vec<f32>) -> Vec<f32> {
        let length = dot(&vector, &vector).sqrt();
        vector.into_iter().map(|number| number / length).collect()
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn a_sentence_of_few_words_has_no_vector() {
        let quotable: Vec<&str> = spans(TEXT).into_iter().map(|span| &TEXT[span]).collect();
        assert_eq!(
            quotable,
            ["La losa mide 22 cm.", "El muro de contención mide 30 cm de espesor.", "Fin de obra: mayo."]
        );
        assert!(spans("Sí. Muchas gracias.").is_empty());
        assert!(encode("Sí.", &[1.0], &[]).is_empty());
        assert_eq!(spans(&"Uno dos tres.\n\n".repeat(100)).len(), MOST);
    }

    #[test]
    fn what_is_embedded_has_the_sentences_under_the_heading() {
        for heading in ["", "Memoria › Cimentación"] {
            let (whole, places) = to_embed(heading, TEXT);
            let places: Vec<&str> = places.into_iter().map(|place| &whole[place]).collect();
            assert_eq!(places, spans(TEXT).into_iter().map(|span| &TEXT[span]).collect::<Vec<_>>());
        }
    }

    #[test]
    fn similarities_survive_being_stored() {
        let all = vectors(5);
        let (question, passage, sentences) = (&all[4], &all[3], &all[..3]);
        let data = encode(TEXT, passage, sentences);
        assert_eq!(data.len(), HEAD + 3 * (4 + 48));
        let stored = differences(&data, &spans(TEXT), question).unwrap();
        for (sentence, stored) in sentences.iter().zip(stored) {
            let exact = dot(question, sentence) - dot(question, passage);
            assert!((stored - exact).abs() < 0.03, "{stored} for {exact}");
        }
        // A sentence that is the passage adds nothing, nor does one that the model did not read.
        let data = encode(TEXT, passage, &[passage.clone(), vec![0.0; 384], passage.clone()]);
        assert_eq!(differences(&data, &spans(TEXT), question).unwrap(), [0.0; 3]);
    }

    #[test]
    fn vectors_of_other_sentences_are_not_used() {
        let all = vectors(4);
        let data = encode(TEXT, &all[3], &all[..3]);
        let mut moved = spans(TEXT);
        moved[1].end += 1;
        assert_eq!(differences(&data, &moved, &all[3]), None);
        assert_eq!(differences(&data, &spans(TEXT)[..2], &all[3]), None);
        assert_eq!(differences(&data, &spans(TEXT), &[0.5; 256]), None);
        assert_eq!(differences(&data[..data.len() - 1], &spans(TEXT), &all[3]), None);
        assert_eq!(differences(&[], &spans(TEXT), &all[3]), None);
        // Vectors that do not belong to the sentences are not stored.
        assert!(encode(TEXT, &all[3], &all[..2]).is_empty());
    }
}
