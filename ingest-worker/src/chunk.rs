//! Cuts a document into passages: whole sentences with their heading and page.
//!
//! A passage never mixes sections. It never mixes pages either, except for a sentence that itself continues on the next
//! page and is not too long: a citation that names the wrong page is worse than a short passage.

mod heading;
mod piece;
mod run;
mod unit;

use analysis::Language;
use documents::Passage;
use reader::{Error, Extracted};
use unit::{Counter, Unit};

/// Maximum number of passages of a document: three times those of the longest text that is read. Their vectors are kept until
/// the commit, and embedding them takes an hour.
const MAX_PASSAGES: usize = 100_000;

/// How long passages are, in tokens of the embedding model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkOptions {
    /// The length to aim for.
    pub target_tokens: usize,
    /// The maximum length; a longer sentence is cut.
    pub max_tokens: usize,
    /// Maximum length of the whole sentences that two consecutive passages share.
    pub overlap_tokens: usize,
}

impl Default for ChunkOptions {
    fn default() -> Self {
        Self { target_tokens: 220, max_tokens: 400, overlap_tokens: 40 }
    }
}

/// Returns the passages of a document in their order, without their vectors.
///
/// The tokens of each sentence are counted once, and the count of a passage is the sum over its sentences.
/// The embedding model would count as many for the whole passage, or slightly fewer.
pub fn chunk(
    extracted: &Extracted,
    count_tokens: &dyn Fn(&str) -> usize,
    options: &ChunkOptions,
) -> Result<Vec<Passage>, Error> {
    let options = usable(options);
    let counter = Counter::new(count_tokens, options.max_tokens);
    let spoken = document_language(extracted);
    let mut passages = Vec::new();
    for section in heading::sections(&extracted.blocks) {
        let units = unit::units(&section.blocks, &counter);
        for units in run::runs(&units, &options) {
            let text = text(&units);
            let language = Some(analysis::detect(&text)).filter(|language| *language != Language::Unknown);
            passages.push(Passage {
                page: units.iter().filter_map(|unit| unit.page_first).min(),
                page_last: units.iter().filter_map(|unit| unit.page_last).max(),
                heading: section.heading.clone(),
                language: language.unwrap_or(spoken),
                text,
                vector: Vec::new(),
                sentences: Vec::new(),
            });
            Error::if_over("passages", passages.len(), MAX_PASSAGES)?;
        }
    }
    Ok(passages)
}

/// Returns options that do not contradict each other, whatever the settings are.
fn usable(options: &ChunkOptions) -> ChunkOptions {
    let max_tokens = options.max_tokens.max(1);
    let target_tokens = options.target_tokens.clamp(1, max_tokens);
    let overlap_tokens = options.overlap_tokens.min(target_tokens / 2);
    ChunkOptions { target_tokens, max_tokens, overlap_tokens }
}

fn text(units: &[&Unit]) -> String {
    let mut text = String::new();
    for unit in units {
        if !text.is_empty() {
            text.push_str(unit.joint);
        }
        text.push_str(&unit.text);
    }
    text
}

/// Returns the language of the document, for passages that are too short to detect it (tables, numbers).
fn document_language(extracted: &Extracted) -> Language {
    const SAMPLE_BYTES: usize = 8 * 1024;
    let mut sample = String::new();
    for block in &extracted.blocks {
        sample.push_str(&block.text);
        sample.push('\n');
        if sample.len() > SAMPLE_BYTES {
            break;
        }
    }
    analysis::detect(&sample)
}

#[cfg(test)]
mod tests;
