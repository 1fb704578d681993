//! Any vocabulary of a tokenizer.json; a Unigram vocabulary is stored in its compact form.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use tokenizers::models::unigram::UnigramTrainer;
use tokenizers::models::{ModelWrapper, TrainerWrapper, unigram};
use tokenizers::{Model, Result, Token};

use crate::unigram::Unigram;

pub(crate) enum Vocabulary {
    Unigram(Unigram),
    Other(Box<ModelWrapper>),
}

/// The fields of a Unigram model in tokenizer.json, after its type.
#[derive(serde::Deserialize)]
struct Declared {
    unk_id: Option<u32>,
    /// The pieces with their scores. As a [`Value`], this list would need hundreds of megabytes.
    vocab: Vec<(String, f64)>,
    #[serde(default)]
    byte_fallback: bool,
}

impl Declared {
    fn vocabulary(self) -> Result<Vocabulary> {
        let Self { unk_id, vocab, byte_fallback } = self;
        let compact = if byte_fallback { Err(vocab) } else { Unigram::new(vocab, unk_id) };
        let pieces = match compact {
            Ok(unigram) => return Ok(Vocabulary::Unigram(unigram)),
            Err(pieces) => pieces,
        };
        let unigram = unigram::Unigram::from(pieces, unk_id.map(|id| id as usize), byte_fallback)?;
        Ok(Vocabulary::Other(Box::new(ModelWrapper::Unigram(unigram))))
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Typed;
        impl<'de> Visitor<'de> for Typed {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the model of a tokenizer")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Vocabulary, A::Error> {
                let mut read = Map::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    // In files written by the library, the type always precedes the large fields.
                    if read.is_empty() && key == "type" && value == "Unigram" {
                        let declared = Declared::deserialize(MapAccessDeserializer::new(map))?;
                        return declared.vocabulary().map_err(A::Error::custom);
                    }
                    read.insert(key, value);
                }
                let model = ModelWrapper::deserialize(Value::Object(read)).map_err(A::Error::custom)?;
                Ok(Vocabulary::Other(Box::new(model)))
            }
        }
        deserializer.deserialize_map(Typed)
    }
}

impl Model for Vocabulary {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, sequence: &str) -> Result<Vec<Token>> {
        match self {
            Self::Unigram(unigram) => unigram.tokenize(sequence),
            Self::Other(model) => model.tokenize(sequence),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Self::Unigram(unigram) => unigram.id(token),
            Self::Other(model) => model.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Self::Unigram(unigram) => unigram.text(id).map(str::to_owned),
            Self::Other(model) => model.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Self::Unigram(unigram) => {
                (0..).map_while(|id| Some((unigram.text(id)?.to_owned(), id))).collect()
            }
            Self::Other(model) => model.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Self::Unigram(unigram) => unigram.scores.len(),
            Self::Other(model) => model.get_vocab_size(),
        }
    }

    // The trait demands methods that write and train a vocabulary, but nobody calls them here.
    fn save(&self, _: &Path, _: Option<&str>) -> Result<Vec<PathBuf>> {
        Err("this form of a vocabulary is for reading".into())
    }

    fn get_trainer(&self) -> TrainerWrapper {
        UnigramTrainer::default().into()
    }
}

#[cfg(test)]
mod tests;
