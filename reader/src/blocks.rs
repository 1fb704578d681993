//! Collects the blocks of a document: cleans their text and keeps them within the limits.

use super::{Block, BlockKind, Error, Extracted, ExtractedMetadata, Limits};

/// The blocks read so far. Every parser adds its text here, so that every format yields the same kind of text.
pub struct Blocks {
    list: Vec<Block>,
    bytes: usize,
    most_bytes: usize,
    most_blocks: usize,
}

impl Blocks {
    pub fn new(limits: &Limits) -> Self {
        let Limits { text_bytes, blocks, .. } = *limits;
        Self { list: Vec::new(), bytes: 0, most_bytes: text_bytes, most_blocks: blocks }
    }

    /// Adds a block, unless its text is empty after cleaning.
    pub fn push(&mut self, kind: BlockKind, text: &str, page: Option<u32>) -> Result<(), Error> {
        let text = clean(text);
        if text.is_empty() {
            return Ok(());
        }
        self.bytes += text.len();
        Error::if_over("bytes of text", self.bytes, self.most_bytes)?;
        Error::if_over("blocks", self.list.len() + 1, self.most_blocks)?;
        self.list.push(Block { kind, text, page });
        Ok(())
    }

    /// Returns the document. If it has no title, its first heading of level 1 becomes the title.
    pub fn finish(self, metadata: ExtractedMetadata) -> Extracted {
        let mut extracted = self.finish_without_title(metadata);
        if extracted.metadata.title.is_empty()
            && let Some(heading) = extracted.blocks.iter().find(|block| block.kind == BlockKind::Heading(1))
        {
            extracted.metadata.title = one_line(&heading.text);
        }
        extracted
    }

    /// Returns the document. No heading becomes its title.
    pub fn finish_without_title(self, mut metadata: ExtractedMetadata) -> Extracted {
        metadata.title = one_line(&metadata.title);
        metadata.author = one_line(&metadata.author);
        Extracted { blocks: self.list, metadata, attachments: Vec::new() }
    }
}

/// The letters of the ligatures from U+FB00 to U+FB06.
const LIGATURES: [&str; 7] = ["ff", "fi", "fl", "ffi", "ffl", "st", "st"];

/// Cleans a text: single spaces between words, no empty lines, no invisible characters, ligatures as separate letters.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    // The white space to write before the next visible character.
    let mut pending = None;
    for c in text.chars() {
        match c {
            '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => pending = Some('\n'),
            c if c.is_whitespace() => pending = pending.or(Some(' ')),
            c if is_invisible(c) => {}
            c => {
                let space = pending.take().filter(|_| !cleaned.is_empty());
                cleaned.extend(space);
                match c {
                    '\u{fb00}'..='\u{fb06}' => cleaned.push_str(LIGATURES[c as usize - 0xfb00]),
                    c => cleaned.push(c),
                }
            }
        }
    }
    cleaned
}

/// Returns the cleaned text on one line, for titles and cells.
pub fn one_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// Whether a character is a control character (PostgreSQL cannot store NUL), a zero-width character, a soft
/// hyphen, a direction mark or a byte-order mark.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{61c}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cleaned() {
        assert_eq!(clean(" a \u{a0} b\r\n\r\n c\u{0}d\u{ad}e\t"), "a b\ncde");
        assert_eq!(clean("o\u{fb01}cina\u{200b}s"), "oficinas");
        assert_eq!(clean("\n \u{feff}"), "");
        assert_eq!(one_line("a\n b"), "a b");
    }

    #[test]
    fn the_text_is_bounded() {
        let mut blocks = Blocks::new(&Limits { text_bytes: 10, ..Limits::default() });
        blocks.push(BlockKind::Paragraph, "12345", None).unwrap();
        blocks.push(BlockKind::Paragraph, "  ", None).unwrap();
        assert!(matches!(blocks.push(BlockKind::Paragraph, "123456", None), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn the_number_of_blocks_is_bounded() {
        let mut blocks = Blocks::new(&Limits { blocks: 2, ..Limits::default() });
        for text in ["a", " ", "b"] {
            blocks.push(BlockKind::Paragraph, text, None).unwrap();
        }
        let refused = blocks.push(BlockKind::Paragraph, "c", None);
        assert_eq!(refused, Err(Error::TooLarge { what: "blocks".to_owned(), limit: 2 }));
    }
}
