//! What holds for every document.

use super::*;

/// Pseudo-random numbers, the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

fn any_document(dice: &mut Dice) -> Extracted {
    const BITS: [&str; 22] = [
        "a",
        "muro",
        " ",
        " ",
        ". ",
        "\n",
        "1.",
        "? ¿",
        "日本語",
        "👷🏽‍♀️",
        "e\u{301}",
        "Sr. ",
        "HA-25",
        "; ",
        "\u{a0}",
        "ß",
        "(",
        ")",
        "…",
        "hormigonado ",
        "The slab ",
        "مرحبا",
    ];
    let mut page = 1;
    let blocks = (0..dice.roll(30))
        .map(|_| {
            page += u32::from(dice.roll(6) == 0);
            let kind = match dice.roll(8) {
                0 => BlockKind::Heading(u8::try_from(dice.roll(4) + 1).unwrap()),
                1 => BlockKind::ListItem,
                2 => BlockKind::TableRow,
                _ => BlockKind::Paragraph,
            };
            let mut text: String = (0..dice.roll(120)).map(|_| BITS[dice.roll(BITS.len())]).collect();
            if dice.roll(40) == 0 {
                text.push_str(&"ñ".repeat(500));
            }
            block(kind, text.trim(), page)
        })
        .filter(|block| !block.text.is_empty())
        .collect();
    document(blocks)
}

/// What of a block must be found in the passages: its sentences, and of a table row, which may be cut between its cells,
/// the cells, or the words of a cell that may be cut too, without the semicolon after them.
fn wholes(block: &Block) -> Vec<&str> {
    if block.kind != BlockKind::TableRow {
        return analysis::sentences::split(&block.text);
    }
    let parts = |cell| if solid(cell).len() > 40 { cell.split_whitespace().collect() } else { vec![cell] };
    let parts = block.text.split("; ").flat_map(parts).filter(|part| part.len() <= 100);
    parts.map(|part| part.trim_end_matches(';')).collect()
}

fn solid(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn whatever_the_document_nothing_is_lost_and_bounds_hold() {
    // A token for every three bytes: longer words have more tokens, as with a real tokenizer.
    let bytes = |text: &str| text.len().div_ceil(3);
    let options = ChunkOptions { target_tokens: 40, max_tokens: 60, overlap_tokens: 10 };
    let mut dice = Dice(20_261_124);
    for round in 0..400 {
        let document = any_document(&mut dice);
        let chunks = cut(&document, &bytes, &options);
        assert_eq!(chunks, cut(&document, &bytes, &options), "the same document, the same passages");
        for chunk in &chunks {
            assert!(!chunk.text.is_empty(), "round {round}: {chunk:?}");
            assert!(chunk.page <= chunk.page_last);
            assert!(bytes(&chunk.text) <= options.max_tokens * 2, "round {round}: {chunk:?}");
        }
        let counter = Counter::new(&bytes, options.max_tokens);
        for section in heading::sections(&document.blocks) {
            for run in run::runs(&unit::units(&section.blocks, &counter), &options) {
                let tokens: usize = run.iter().map(|unit| unit.tokens).sum();
                assert!(tokens <= options.max_tokens, "round {round}: {tokens} tokens: {run:?}");
            }
        }
        // Every sentence is there, whole unless it is too long for a passage; every heading is text or context.
        let everything: String = chunks.iter().map(|chunk| solid(&chunk.text)).collect();
        for block in &document.blocks {
            if matches!(block.kind, BlockKind::Heading(_)) {
                let title: String = analysis::sentences::split(&block.text)[0].chars().take(40).collect();
                let shown = |chunk: &Passage| {
                    solid(&chunk.heading).contains(&solid(&title))
                        || solid(&chunk.text).contains(&solid(&title))
                };
                assert!(chunks.iter().any(shown), "round {round}: {title}");
                continue;
            }
            for whole in wholes(block) {
                assert!(everything.contains(&solid(whole)), "round {round}: {whole}");
            }
        }
        let letters = |text: &str| solid(text).chars().filter(|c| c.is_alphanumeric()).count();
        let inside: usize = document
            .blocks
            .iter()
            .filter(|b| !matches!(b.kind, BlockKind::Heading(_)))
            .map(|b| letters(&b.text))
            .sum();
        let outside: usize = chunks.iter().map(|chunk| letters(&chunk.text)).sum();
        assert!(outside >= inside, "round {round}: {outside} of {inside} letters");
        for block in document.blocks.iter().filter(|block| !matches!(block.kind, BlockKind::Heading(_))) {
            let Some(first) = wholes(block).first().copied() else { continue };
            let beginning: String = solid(first).chars().take(12).collect();
            let named = chunks.iter().any(|chunk| {
                chunk.page <= block.page
                    && block.page <= chunk.page_last
                    && solid(&chunk.text).contains(&beginning)
            });
            assert!(named, "round {round}: page of {beginning}");
        }
    }
}
