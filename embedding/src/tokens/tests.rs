use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::folder::Folder;

/// Words of which the model's normalizer changes most: their tokens have other lengths than their bytes.
const WORDS: [&str; 20] = [
    "cimentación",
    "cimentacio\u{301}n",
    "¿Qué",
    "losa",
    "ñandú?",
    "PINGÜINO",
    "the",
    "slab,",
    "3.5",
    "½",
    "m³",
    "ﬁnal",
    "ﷺ",
    "Ⅳ",
    "㎡",
    "…",
    "👩‍👩‍👧‍👦🏗️",
    "漢字",
    "𝔘𝔫𝔦",
    "z\u{334}\u{335}",
];

#[test]
fn the_tokens_of_a_sentence_are_those_that_it_has_alone() {
    let folder = Folder::read(&devstack::ensure().unwrap().model).unwrap();
    let tokens = Tokens::open(&folder.tokenizer_json, &folder.declaration).unwrap();
    let space = i64::from(tokens.tokenizer.token_to_id("▁").unwrap());
    let sentence = vec(select(&WORDS[..]), 1..8).prop_map(|words| words.join(" "));
    let texts = vec((sentence, select(&[" ", "\n", "  ", "\u{a0}\n"][..])), 1..6);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&texts, |sentences| {
        let (mut text, mut places) = (String::new(), Vec::new());
        for (sentence, space) in &sentences {
            places.push(text.len()..text.len() + sentence.len());
            text.push_str(sentence);
            text.push_str(space);
        }
        let (ids, found) = tokens.encode_sentences("passage: ", &text, &places).unwrap();
        prop_assert_eq!(&ids, &tokens.encode("passage: ", &text).unwrap());
        for ((sentence, _), found) in sentences.iter().zip(found) {
            let alone = tokens.encode("", sentence).unwrap();
            // Without <s> and </s>, and without a token that is only the space before the sentence.
            let alone = &alone[1..alone.len() - 1];
            let alone = alone.strip_prefix(&[space]).unwrap_or(alone);
            prop_assert_eq!(&ids[found], alone, "{:?} in {:?}", sentence, text);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn words_are_counted_like_whole_texts() {
    let folder = Folder::read(&devstack::ensure().unwrap().model).unwrap();
    let tokens = Tokens::open(&folder.tokenizer_json, &folder.declaration).unwrap();
    assert!("aZñÉ9.¿".chars().all(|c| tokens.plain[c as usize]));
    assert!("½ª\u{a0}<\u{7f}".chars().all(|c| !tokens.plain[c as usize]));
    let plain = "[a-zA-ZñáéíóúüÑÁ0-9.,;:()/%¿?¡! \n\t-]{0,40}";
    let texts = (vec(select(&WORDS[..]), 0..4), plain)
        .prop_map(|(words, plain)| format!("{} {plain}", words.join(" ")));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&texts, |text| {
        let whole = tokens.tokenizer.encode_fast(text.as_str(), false).unwrap().len();
        prop_assert_eq!(tokens.count(&text), whole, "{:?}", text);
        Ok(())
    });
    outcome.unwrap();
}
