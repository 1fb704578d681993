//! Sentences with their tokens and pages.

use std::borrow::Cow;

use analysis::sentences;

use super::piece;
use reader::{Block, BlockKind, text::unhyphenate};

/// A unit is not cut further: a sentence, a list item or a table row, or a piece of one that is too long for a passage.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub text: Cow<'a, str>,
    pub tokens: usize,
    pub page_first: Option<u32>,
    pub page_last: Option<u32>,
    /// The text between the previous unit and this one.
    pub joint: &'static str,
    /// Whether the next passage may repeat this unit. Table rows and list items make sense alone.
    pub repeats: bool,
}

/// Counts tokens without those that the embedding model adds to every text.
pub(super) struct Counter<'a> {
    count: &'a dyn Fn(&str) -> usize,
    added: usize,
    /// Maximum number of tokens in one unit.
    pub max: usize,
}

impl<'a> Counter<'a> {
    pub fn new(count: &'a dyn Fn(&str) -> usize, max: usize) -> Self {
        Self { count, added: count(""), max }
    }

    /// Returns at least 1, also for white space, and at least one token for every 64 bytes: otherwise the limits would not
    /// apply to a text in which many characters are one token, such as characters that the model does not know. Of a text
    /// that is too long anyway the tokens are not counted, because that needs a hundred times its memory.
    pub fn count(&self, text: &str) -> usize {
        let least = text.len().div_ceil(BYTES_PER_TOKEN).max(1);
        if least > self.max { least } else { (self.count)(text).saturating_sub(self.added).max(least) }
    }

    /// Counts alike, with another maximum.
    pub fn up_to(&self, max: usize) -> Self {
        Self { max, ..*self }
    }
}

/// Text has about five bytes for each token.
const BYTES_PER_TOKEN: usize = 64;

const BLOCK: &str = "\n";

pub(super) fn units<'a>(blocks: &[&'a Block], counter: &Counter) -> Vec<Unit<'a>> {
    let mut units: Vec<Unit> = Vec::new();
    let mut previous: Option<&Block> = None;
    for block in blocks {
        let mut rest = block.text.as_str();
        let mut joint = BLOCK;
        for sentence in sentences_of(block) {
            let runs_over = joint == BLOCK && previous.is_some_and(|previous| runs_over(previous, block));
            add(&mut units, sentence, joint, block, runs_over, counter);
            // The white space after the sentence decides how the next sentence is joined to it.
            let at = rest.find(sentence).unwrap_or_default();
            rest = &rest[at + sentence.len()..];
            let gap = rest.len() - rest.trim_start().len();
            joint = if rest[..gap].contains('\n') { "\n" } else { " " };
            if joint == BLOCK {
                previous = None;
            }
        }
        previous = Some(block);
    }
    units
}

/// Returns the sentences of a block. A table row is one sentence, whatever its cells contain.
fn sentences_of(block: &Block) -> Vec<&str> {
    match (block.kind, block.text.trim()) {
        (BlockKind::TableRow, row) if !row.is_empty() => vec![row],
        (_, text) => sentences::split(text),
    }
}

/// Whether a sentence at the end of one page continues at the beginning of the next.
fn runs_over(before: &Block, after: &Block) -> bool {
    let text = |block: &Block| matches!(block.kind, BlockKind::Paragraph | BlockKind::ListItem);
    let next_page = matches!((before.page, after.page), (Some(one), Some(other)) if other == one + 1);
    next_page
        && text(before)
        && after.kind == BlockKind::Paragraph
        && !before.text.ends_with(['.', '!', '?', ':', ';', '…'])
        && after.text.starts_with(|c: char| c.is_lowercase())
}

fn add<'a>(
    units: &mut Vec<Unit<'a>>,
    sentence: &'a str,
    joint: &'static str,
    block: &Block,
    runs_over: bool,
    counter: &Counter,
) {
    let tokens = counter.count(sentence);
    // Pieces of a sentence that is too long could not say which page each is on, so such a sentence stays divided.
    if runs_over && let Some(begun) = units.pop_if(|begun| begun.tokens + tokens <= counter.max) {
        let mut text = begun.text.into_owned();
        if !unhyphenate(&mut text, sentence) {
            text.push(' ');
        }
        text.push_str(sentence);
        let tokens = begun.tokens + tokens;
        units.push(Unit { text: text.into(), tokens, page_last: block.page, ..begun });
        return;
    }
    let (page_first, page_last) = (block.page, block.page);
    if tokens <= counter.max {
        let repeats = block.kind == BlockKind::Paragraph;
        units.push(Unit { text: sentence.into(), tokens, page_first, page_last, joint, repeats });
        return;
    }
    let is_row = block.kind == BlockKind::TableRow;
    let pieces =
        if is_row { piece::of_row(sentence, counter) } else { piece::of_sentence(sentence, counter) };
    for (index, piece) in pieces.into_iter().enumerate() {
        let (joint, tokens) = (if index == 0 { joint } else { piece.joint }, piece.tokens);
        units.push(Unit { text: piece.text.into(), tokens, page_first, page_last, joint, repeats: false });
    }
}
