use tokenizers::Model as _;
use tokenizers::models::unigram;

use super::*;

const PIECES: [(&str, f64); 10] = [
    ("<unk>", 0.0),
    ("a", -1.0),
    ("b", -1.0),
    ("c", -2.0),
    ("ab", -1.5),
    ("abc", -3.0),
    ("ñ", -4.0),
    ("ña", -5.0),
    ("漢", -3.5),
    ("aa", -2.0),
];

fn pieces(list: &[(&str, f64)]) -> Vec<(String, f64)> {
    list.iter().map(|(text, score)| ((*text).to_owned(), *score)).collect()
}

#[test]
fn every_short_word_has_the_tokens_that_the_library_gives() {
    let ours = Unigram::new(pieces(&PIECES), Some(0)).ok().unwrap();
    let theirs = PIECES.map(|(text, score)| (text.to_owned(), score)).to_vec();
    let theirs = unigram::Unigram::from(theirs, Some(0), false).unwrap();
    let letters = ['a', 'b', 'c', 'ñ', '漢', 'x', '\0', '🏗'];
    let mut words = vec![String::new()];
    for _ in 0..5 {
        words = words
            .iter()
            .flat_map(|word| letters.map(|letter| format!("{word}{letter}")))
            .chain(words.iter().cloned())
            .collect();
        words.sort();
        words.dedup();
    }
    words.push("a<unk>b<unk>".to_owned());
    for word in words {
        assert_eq!(ours.tokenize(&word).unwrap(), theirs.tokenize(&word).unwrap(), "{word:?}");
    }
}

/// If each character cost the length of the rest of its word, this would take many minutes.
#[test]
fn a_word_of_megabytes_is_split_in_one_pass() {
    let unigram = Unigram::new(pieces(&PIECES), Some(0)).ok().unwrap();
    for (letter, tokens) in [("ab", 2 << 20), ("x", 1), ("\0", 1)] {
        assert_eq!(unigram.tokenize(&letter.repeat(2 << 20)).unwrap().len(), tokens, "{letter:?}");
    }
}

#[test]
fn a_piece_is_known_by_id_and_an_id_by_piece() {
    let unigram = Unigram::new(pieces(&PIECES), Some(0)).ok().unwrap();
    for (id, (text, _)) in (0..).zip(PIECES) {
        assert_eq!((unigram.id(text), unigram.text(id)), (Some(id), Some(text)));
    }
    assert_eq!((unigram.id("abcd"), unigram.id("a\0"), unigram.text(10)), (None, None, None));
}

#[test]
fn what_a_double_array_cannot_hold_is_given_back() {
    for odd in ["", "a", "n\0"] {
        let mut list = PIECES.to_vec();
        list.push((odd, -1.0));
        let given_back = Unigram::new(pieces(&list), Some(0)).err().unwrap();
        assert_eq!(given_back, pieces(&list));
    }
    assert!(Unigram::new(pieces(&PIECES), Some(10)).is_err());
}

#[test]
fn a_character_without_piece_is_an_error_where_no_token_means_unknown() {
    let unigram = Unigram::new(pieces(&PIECES), None).ok().unwrap();
    assert!(unigram.tokenize("ab").is_ok());
    assert!(unigram.tokenize("x").is_err());
}
