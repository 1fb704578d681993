use super::*;
use reader::{Block, BlockKind};

/// Counts one token for each word, and two more, because embedding models add some tokens to every text.
fn words(text: &str) -> usize {
    text.split_whitespace().count() + 2
}

fn block(kind: BlockKind, text: &str, page: u32) -> Block {
    Block::new(kind, text, (page > 0).then_some(page))
}

fn document(blocks: Vec<Block>) -> Extracted {
    Extracted { blocks, ..Extracted::default() }
}

fn paragraph(text: &str, page: u32) -> Block {
    block(BlockKind::Paragraph, text, page)
}

fn sentences(count: usize, words: usize) -> String {
    (0..count).map(|n| format!("S{n}{}. ", " palabra".repeat(words - 1))).collect()
}

fn cut(document: &Extracted, count_tokens: &dyn Fn(&str) -> usize, options: &ChunkOptions) -> Vec<Chunk> {
    chunk(document, count_tokens, options).unwrap()
}

fn small() -> ChunkOptions {
    ChunkOptions { target_tokens: 20, max_tokens: 30, overlap_tokens: 8 }
}

#[test]
fn a_heading_starts_a_passage_and_goes_with_it() {
    let document = document(vec![
        paragraph("Antes de todo.", 0),
        block(BlockKind::Heading(1), "Memoria", 0),
        block(BlockKind::Heading(2), "Materiales", 0),
        paragraph("El hormigón es HA-25.", 0),
        block(BlockKind::Heading(2), "Cargas", 0),
        paragraph("The load is 2 kN per square metre.", 0),
        block(BlockKind::Heading(1), "Anexos", 0),
    ]);
    let chunks = cut(&document, &words, &ChunkOptions::default());
    let seen: Vec<_> = chunks.iter().map(|chunk| (chunk.heading.as_str(), chunk.text.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("", "Antes de todo."),
            ("Memoria › Materiales", "El hormigón es HA-25."),
            ("Memoria › Cargas", "The load is 2 kN per square metre."),
            ("", "Anexos"),
        ]
    );
    assert_eq!(chunks[1].language, Language::Spanish);
    assert_eq!(chunks[2].language, Language::English);
    assert_eq!(chunks.iter().map(|chunk| chunk.ordinal).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(chunks[1].tokens, 4);
}

#[test]
fn headings_without_text_are_text() {
    let heading = |level, text| block(BlockKind::Heading(level), text, 0);
    let document = document(vec![
        heading(1, "Planta"),
        heading(2, "Eje A"),
        heading(2, "Eje B"),
        heading(1, "Corte"),
        heading(1, "Detalle"),
        paragraph("Escala 1:50", 0),
    ]);
    let chunks = cut(&document, &words, &ChunkOptions::default());
    let seen: Vec<_> = chunks.iter().map(|chunk| (chunk.heading.as_str(), chunk.text.as_str())).collect();
    assert_eq!(seen, [("Planta", "Eje A\nEje B"), ("", "Corte"), ("Detalle", "Escala 1:50")]);
}

#[test]
fn passages_are_of_one_size_and_overlap_by_sentences() {
    let document = document(vec![paragraph(&sentences(16, 5), 0)]);
    let chunks = cut(&document, &words, &small());
    assert!(chunks.len() > 2);
    for pair in chunks.windows(2) {
        let shared: Vec<&str> = pair[0]
            .text
            .split(". ")
            .filter(|sentence| pair[1].text.contains(sentence.trim_end_matches('.')))
            .collect();
        assert_eq!(shared.len(), 1, "{pair:#?}");
    }
    for chunk in &chunks {
        assert!((10..=30).contains(&chunk.tokens), "{chunk:?}");
        assert!(chunk.text.ends_with('.'), "{chunk:?}");
    }
}

#[test]
fn pages_are_not_mixed_but_a_sentence_may_run_over() {
    let document = document(vec![
        paragraph("Portada", 1),
        paragraph("Uno acaba. El muro se", 2),
        paragraph("ejecuta así. Sigue otra.", 3),
        paragraph("Nueva", 5),
    ]);
    let chunks = cut(&document, &words, &ChunkOptions::default());
    let seen: Vec<_> =
        chunks.iter().map(|chunk| (chunk.text.as_str(), chunk.page_first, chunk.page_last)).collect();
    assert_eq!(
        seen,
        [
            ("Portada", Some(1), Some(1)),
            ("Uno acaba.\nEl muro se ejecuta así.".replace('\n', " ").as_str(), Some(2), Some(3)),
            ("Sigue otra.", Some(3), Some(3)),
            ("Nueva", Some(5), Some(5)),
        ]
    );
}

#[test]
fn rows_and_items_stand_on_their_lines_and_are_not_repeated() {
    let rows: Vec<Block> =
        (0..20).map(|n| block(BlockKind::TableRow, &format!("Sala: {n}; Área: {n} m2"), 0)).collect();
    let chunks = cut(&document(rows), &words, &small());
    assert!(chunks[0].text.starts_with("Sala: 0; Área: 0 m2\nSala: 1;"));
    let all: Vec<&str> = chunks.iter().flat_map(|chunk| chunk.text.lines()).collect();
    assert_eq!(all.len(), 20);
}

#[test]
fn short_passages_take_the_language_of_their_document() {
    let document = document(vec![
        paragraph("Se entregan los planos de la obra con las cotas de todos los ejes.", 1),
        paragraph("HA-25 2024", 2),
    ]);
    assert_eq!(cut(&document, &words, &ChunkOptions::default())[1].language, Language::Spanish);
}

#[test]
fn nothing_gives_nothing_and_odd_settings_still_end() {
    assert!(cut(&Extracted::default(), &words, &ChunkOptions::default()).is_empty());
    let document = document(vec![paragraph(&sentences(5, 7), 0)]);
    for (target_tokens, max_tokens, overlap_tokens) in
        [(0, 0, 0), (1, 1, 99), (500, 10, 500), (3, 1_000, 1_000)]
    {
        let options = ChunkOptions { target_tokens, max_tokens, overlap_tokens };
        let chunks = cut(&document, &words, &options);
        assert!(chunks.iter().all(|chunk| chunk.tokens <= max_tokens.max(1)), "{options:?}");
    }
}

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
            assert!(chunk.tokens <= options.max_tokens && !chunk.text.is_empty(), "round {round}: {chunk:?}");
            assert!(chunk.page_first <= chunk.page_last);
            assert!(bytes(&chunk.text) <= options.max_tokens * 2, "round {round}: {chunk:?}");
        }
        // Every sentence is there, whole unless it is too long for a passage; every heading is text or context.
        let everything: String = chunks.iter().map(|chunk| solid(&chunk.text)).collect();
        for block in &document.blocks {
            if matches!(block.kind, BlockKind::Heading(_)) {
                let title: String = analysis::sentences::split(&block.text)[0].chars().take(40).collect();
                let shown = |chunk: &Chunk| {
                    solid(&chunk.heading).contains(&solid(&title))
                        || solid(&chunk.text).contains(&solid(&title))
                };
                assert!(chunks.iter().any(shown), "round {round}: {title}");
                continue;
            }
            for sentence in analysis::sentences::split(&block.text) {
                assert!(everything.contains(&solid(sentence)), "round {round}: {sentence}");
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
            let first = analysis::sentences::split(&block.text)[0];
            let beginning: String = solid(first).chars().take(12).collect();
            let named = chunks.iter().any(|chunk| {
                chunk.page_first <= block.page
                    && block.page <= chunk.page_last
                    && solid(&chunk.text).contains(&beginning)
            });
            assert!(named, "round {round}: page of {beginning}");
        }
    }
}

#[test]
fn time_is_linear() {
    let counted = std::cell::Cell::new(0_usize);
    let count = |text: &str| {
        counted.set(counted.get() + text.len());
        words(text)
    };
    let text = sentences(20_000, 8);
    let document = document(vec![paragraph(&text, 0), paragraph(&"x".repeat(100_000), 0)]);
    let start = std::time::Instant::now();
    let chunks = cut(&document, &count, &ChunkOptions::default());
    assert!(chunks.len() > 500);
    assert!(counted.get() < text.len() * 2 + 100_000 * 30, "counted {} bytes", counted.get());
    assert!(start.elapsed().as_secs() < 20, "took {:?}", start.elapsed());
}

#[test]
fn a_text_of_few_tokens_is_cut_by_its_length() {
    // The model has one token for any number of characters that it does not know.
    let one = |_: &str| 3;
    let text = "\u{13000}".repeat(100_000);
    let chunks = cut(&document(vec![paragraph(&text, 0)]), &one, &small());
    assert!(chunks.iter().all(|chunk| chunk.text.len() <= 30 * 64), "{}", chunks.len());
    assert_eq!(chunks.iter().map(|chunk| chunk.text.as_str()).collect::<String>(), text);
}

/// If each heading cost the number of those before it, this would take minutes.
#[test]
fn very_many_headings_without_text_are_cut_in_one_pass() {
    let headings = (0..300_000).map(|_| block(BlockKind::Heading(1), "Eje", 0)).collect();
    let chunks = cut(&document(headings), &|text| text.len().min(1) + 2, &small());
    assert_eq!(chunks.iter().map(|chunk| chunk.text.lines().count()).sum::<usize>(), 300_000);
}

#[test]
fn a_document_of_too_many_passages_is_refused() {
    let pages = (1..=100_001).map(|page| paragraph("A", page)).collect();
    let refused = chunk(&document(pages), &words, &small());
    assert!(matches!(refused, Err(Error::TooLarge { limit: 100_000, .. })), "{}", refused.is_ok());
}
