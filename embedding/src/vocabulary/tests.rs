use std::fs;
use std::path::Path;

use serde_json::json;
use tokenizers::Tokenizer;

use super::*;

type Ours = crate::tokens::Tokenizer;

fn read(json: &str) -> Ours {
    serde_json::from_str(json).unwrap()
}

/// Returns real texts in both languages, and all characters of the first three planes of Unicode, in sequence and
/// inside words.
fn texts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = ["README.md", "ARCHITECTURE.md", "docs/operations.md", "schemas/src/messages/reading.rs"]
        .map(|file| root.join(file));
    let samples = fs::read_dir(root.join("samples/text")).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<String> =
        files.into_iter().chain(samples).map(|file| fs::read_to_string(file).unwrap()).collect();
    assert!(texts.len() > 4);
    let characters: Vec<char> = ('\0'..='\u{2FFFF}').collect();
    texts.extend(characters.chunks(97).map(|some| some.iter().collect()));
    texts.extend(
        characters.chunks(61).map(|some| some.iter().flat_map(|c| [*c, ' ', 'a', *c, *c, '7']).collect()),
    );
    texts.extend(
        ["<s> </s> <unk> <mask>▁", "\0a\0\0b", "👩‍👩‍👧‍👦🏗️ 200076-CCC02-PL-AR-000400", "1.234,56 m³ ½ ﬁn ﷺ"]
            .map(str::to_owned),
    );
    texts
}

#[test]
fn the_default_model_splits_every_text_as_the_library_does() {
    let file = devstack::ensure().unwrap().model.join("tokenizer.json");
    let ours = read(&fs::read_to_string(&file).unwrap());
    assert!(matches!(ours.get_model(), Vocabulary::Unigram(_)));
    let theirs = Tokenizer::from_file(&file).unwrap();
    for text in texts() {
        let [ours, theirs] =
            [ours.encode_char_offsets(&*text, true), theirs.encode_char_offsets(&*text, true)];
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        assert_eq!(ours.get_ids(), theirs.get_ids(), "{text:?}");
        assert_eq!(
            (ours.get_tokens(), ours.get_offsets()),
            (theirs.get_tokens(), theirs.get_offsets()),
            "{text:?}"
        );
    }
}

#[test]
fn other_vocabularies_are_left_to_the_library() {
    let unigram = |vocabulary: Value, fallback: bool| json!({"type": "Unigram", "unk_id": 0, "vocab": vocabulary, "byte_fallback": fallback});
    let few = json!([["<unk>", 0.0], ["si", -1.0], ["no", -1.5]]);
    let twice = json!([["<unk>", 0.0], ["si", -1.0], ["no", -1.5], ["si", -0.5]]);
    let words = json!({"type": "WordLevel", "vocab": {"<unk>": 0, "sino": 1}, "unk_token": "<unk>"});
    let late = json!({"unk_id": 0, "vocab": few, "byte_fallback": false, "type": "Unigram"});
    let cases =
        [(unigram(few.clone(), false), true), (unigram(few, true), false), (unigram(twice, false), false)];
    for (model, small) in cases.into_iter().chain([(words, false), (late, false)]) {
        let json = json!({"version": "1.0", "model": model}).to_string();
        let (ours, theirs) = (read(&json), Tokenizer::from_bytes(json.as_bytes()).unwrap());
        assert_eq!(matches!(ours.get_model(), Vocabulary::Unigram(_)), small, "{json}");
        let split = ours.encode("sinosix", false).unwrap();
        assert_eq!(split.get_ids(), theirs.encode("sinosix", false).unwrap().get_ids(), "{json}");
        assert_eq!(ours.get_vocab(true), theirs.get_vocab(true), "{json}");
        assert_eq!(ours.id_to_token(1), theirs.id_to_token(1), "{json}");
    }
}

#[test]
fn what_is_no_vocabulary_is_an_error() {
    for model in [
        json!({}),
        json!({"type": "Unigram"}),
        json!({"type": "Unigram", "vocab": [["a"]]}),
        json!({"type": "Other"}),
    ] {
        let json = json!({"version": "1.0", "model": model}).to_string();
        assert!(serde_json::from_str::<Ours>(&json).is_err(), "{json}");
    }
}
