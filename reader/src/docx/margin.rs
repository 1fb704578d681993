//! Headers and footers of pages: many documents have their number, revision and title only there.

use std::collections::HashSet;

use crate::{Block, BlockKind, text};

/// Returns each different text once, without page numbers.
pub fn texts(blocks: &[Block]) -> Vec<(BlockKind, String)> {
    let mut seen = HashSet::new();
    let mut texts = Vec::new();
    for block in blocks {
        let lines: Vec<&str> = block.text.lines().filter(|line| !is_page_number(line)).collect();
        let text = lines.join("\n");
        // A heading in a margin is not the heading of the text below.
        let kind = match block.kind {
            BlockKind::Heading(_) => BlockKind::Paragraph,
            kind => kind,
        };
        if seen.insert(text.clone()) {
            texts.push((kind, text));
        }
    }
    texts
}

/// Whether a line is a page number. Longer figures are a document number or a year.
fn is_page_number(line: &str) -> bool {
    text::is_page_number(line) && line.split(|c: char| !c.is_ascii_digit()).all(|figure| figure.len() <= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_numbers_are_recognized() {
        for line in ["3", "- 3 -", "3/12", "Página 3 de 12", "Pág. 3", "Page 3 of 12", "PÁGINA  DE ", "—"]
        {
            assert!(is_page_number(line), "{line}");
        }
        for line in
            ["200076", "12-11-26", "2026", "Rev. 3", "Página 3 de 12 · Rev. B", "P-02", "Hoja de ruta"]
        {
            assert!(!is_page_number(line), "{line}");
        }
    }
}
