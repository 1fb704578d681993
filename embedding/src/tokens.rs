use std::path::Path;

use tokenizers::tokenizer::{PostProcessor, TokenizerImpl, TruncationDirection};
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper};

use crate::LoadError;
use crate::folder::Declaration;
use crate::vocabulary::Vocabulary;

/// No more than this many characters a token are looked at. Prose has about five; the rest is room for runs of spaces.
const CHARACTERS_PER_TOKEN: usize = 64;

pub(crate) type Tokenizer =
    TokenizerImpl<Vocabulary, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// The model's tokenizer.
pub(crate) struct Tokens {
    tokenizer: Tokenizer,
    most: usize,
    special: usize,
}

impl Tokens {
    pub fn open(path: &Path, json: &[u8], declared: &Declaration) -> Result<Self, LoadError> {
        let failed = |reason: String| LoadError::Tokenizer { path: path.to_owned(), reason };
        let mut tokenizer: Tokenizer =
            serde_json::from_slice(json).map_err(|error| failed(error.to_string()))?;
        // Files come with limits and padding of their own; here the declaration decides, and nothing is padded.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| failed(error.to_string()))?;
        let special = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let tokens = Self { tokenizer, most: declared.max_tokens, special };
        for prefix in [&declared.query_prefix, &declared.passage_prefix] {
            if tokens.room(prefix) == 0 {
                let most = tokens.most;
                return Err(failed(format!(
                    "the prefix {prefix:?} leaves no room for text in {most} tokens"
                )));
            }
        }
        Ok(tokens)
    }

    /// The token ids of a text as the model wants them: prefix first, special tokens around, the end cut off if too long.
    pub fn encode(&self, prefix: &str, text: &str) -> Result<Vec<i64>, String> {
        let text = format!("{prefix}{}", self.readable(text));
        let mut encoding = self.tokenizer.encode_fast(text, false).map_err(|error| error.to_string())?;
        encoding.truncate(self.most - self.special, 0, TruncationDirection::Right);
        let encoding =
            self.tokenizer.post_process(encoding, None, true).map_err(|error| error.to_string())?;
        Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect())
    }

    pub fn count(&self, text: &str) -> usize {
        match self.tokenizer.encode_fast(text, false) {
            Ok(encoding) => encoding.len(),
            // A text that the tokenizer refuses still has a size; no model needs more than a token a character.
            Err(_) => text.chars().count(),
        }
    }

    /// How many tokens of a text's own fit behind a prefix.
    pub fn room(&self, prefix: &str) -> usize {
        self.most.saturating_sub(self.special + self.count(prefix))
    }

    /// The part of a text that can reach the model, so that a huge one costs no more than a long one.
    pub fn readable<'a>(&self, text: &'a str) -> &'a str {
        let limit = self.most * CHARACTERS_PER_TOKEN;
        if text.len() <= limit {
            return text;
        }
        text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
    }
}
