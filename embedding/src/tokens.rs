use std::ops::Range;

use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::tokenizer::{PostProcessor, TokenizerImpl, TruncationDirection};
use tokenizers::{
    DecoderWrapper, Model as _, NormalizedString, Normalizer as _, NormalizerWrapper, PostProcessorWrapper,
    PreTokenizerWrapper,
};

use crate::folder::Declaration;
use crate::vocabulary::Vocabulary;

/// Maximum number of characters that are read for each token. Prose has about five; runs of spaces have more.
const CHARACTERS_PER_TOKEN: usize = 64;

pub(crate) type Tokenizer =
    TokenizerImpl<Vocabulary, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

pub(crate) struct Tokens {
    tokenizer: Tokenizer,
    most: usize,
    special: usize,
    /// Whether a character is plain, by its code: the tokens of a text of plain characters and white space are those that its
    /// words have alone.
    plain: Vec<bool>,
}

impl Tokens {
    pub fn open(json: &[u8], declared: &Declaration) -> Result<Self, String> {
        let mut tokenizer: Tokenizer = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        // tokenizer.json may declare a maximum and padding of its own, but that of model.json applies, and nothing is padded.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        let special = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let plain = plain(&tokenizer);
        let tokens = Self { tokenizer, most: declared.max_tokens, special, plain };
        for prefix in [&declared.query_prefix, &declared.passage_prefix] {
            if tokens.room(prefix) == 0 {
                let most = tokens.most;
                return Err(format!("the prefix {prefix:?} leaves no room for text in {most} tokens"));
            }
        }
        Ok(tokens)
    }

    /// Returns a text's token ids as the model expects them: with prefix and special tokens, and cut at its maximum.
    pub fn encode(&self, prefix: &str, text: &str) -> Result<Vec<i64>, String> {
        Ok(self.encode_sentences(prefix, text, &[])?.0)
    }

    /// Like [`Self::encode`]. Also returns the tokens of each sentence, as a range of positions in the list of ids. The
    /// range is empty if no token of the sentence is in the list. The sentences are given in bytes of the text.
    pub fn encode_sentences(
        &self,
        prefix: &str,
        text: &str,
        sentences: &[Range<usize>],
    ) -> Result<(Vec<i64>, Vec<Range<usize>>), String> {
        let text = format!("{prefix}{}", self.readable(text));
        // The library follows each token through the normalization back to its bytes in this text.
        let mut encoding = self.tokenizer.encode(text, false).map_err(|error| error.to_string())?;
        encoding.truncate(self.most - self.special, 0, TruncationDirection::Right);
        let encoding =
            self.tokenizer.post_process(encoding, None, true).map_err(|error| error.to_string())?;
        let ids = encoding.get_ids().iter().map(|id| i64::from(*id)).collect();
        let places = sentences.iter().map(|sentence| {
            let (start, end) = (sentence.start + prefix.len(), sentence.end + prefix.len());
            // A special token has no bytes, so it belongs to no sentence.
            let overlaps = |&(from, to): &(usize, usize)| from < to && from < end && to > start;
            let offsets = encoding.get_offsets();
            let first = offsets.iter().position(overlaps);
            let last = offsets.iter().rposition(overlaps);
            first.zip(last).map_or(0..0, |(first, last)| first..last + 1)
        });
        Ok((ids, places.collect()))
    }

    pub fn count(&self, text: &str) -> usize {
        // All steps of the library take ten times as long, and those before the model's own step change nothing in such a text.
        let is_plain = |c: char| c.is_ascii_whitespace() || self.plain.get(c as usize) == Some(&true);
        if !self.plain.is_empty()
            && text.chars().all(is_plain)
            && let Ok(count) = self.count_by_words(text)
        {
            return count;
        }
        // If the tokenizer fails, the number of bytes is used: some vocabularies have one token for each byte.
        let encoding = self.tokenizer.encode_fast(text, false);
        encoding.map_or(text.len(), |encoding| encoding.len())
    }

    fn count_by_words(&self, text: &str) -> tokenizers::Result<usize> {
        let model = self.tokenizer.get_model();
        let tokens = |word| Ok(model.tokenize(&format!("{SPACE}{word}"))?.len());
        text.split_ascii_whitespace().map(tokens).sum()
    }

    /// Returns the maximum number of a text's own tokens when it has this prefix.
    pub fn room(&self, prefix: &str) -> usize {
        self.most.saturating_sub(self.special + self.count(prefix))
    }

    /// Returns as much of a text as the model can read at most, so that a huge text costs no more than a long one.
    pub fn readable<'a>(&self, text: &'a str) -> &'a str {
        let limit = self.most * CHARACTERS_PER_TOKEN;
        text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
    }
}

/// What stands for the space before each word.
const SPACE: char = '▁';

/// Returns for each Latin letter, digit and usual mark whether the normalizer leaves it as it is. There is nothing to return if the
/// tokenizer does not divide a text into words first, or does not treat all white space alike.
fn plain(tokenizer: &Tokenizer) -> Vec<bool> {
    let by_words = matches!(tokenizer.get_pre_tokenizer(), Some(PreTokenizerWrapper::Metaspace(by_words))
        if *by_words == Metaspace::new(SPACE, PrependScheme::Always, true));
    let count = |text| tokenizer.encode_fast(text, false).map_or(0, |encoding| encoding.len());
    if !by_words || count(" uno  dos\n \ttres\r\u{c}cuatro ") != count("uno dos tres cuatro") {
        return Vec::new();
    }
    let is_kept = |c: char| {
        let mut text = NormalizedString::from(c.to_string());
        let normalized =
            tokenizer.get_normalizer().map_or(Ok(()), |normalizer| normalizer.normalize(&mut text));
        normalized.is_ok() && text.get() == c.to_string()
    };
    let is_plain = |c: char| (c.is_alphanumeric() || ".,;:()/%-¿?¡!".contains(c)) && is_kept(c);
    ('\0'..='ÿ').map(is_plain).collect()
}

#[cfg(test)]
mod tests;
