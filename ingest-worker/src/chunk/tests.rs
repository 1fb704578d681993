mod any_document;
mod rows;

use super::*;
use reader::{Block, BlockKind};

/// Counts one token for each word, and two more, because embedding models add some tokens to every text.
fn words(text: &str) -> usize {
    text.split_whitespace().count() + 2
}

fn block(kind: BlockKind, text: &str, page: u32) -> Block {
    Block { kind, text: text.to_owned(), page: (page > 0).then_some(page) }
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

fn cut(document: &Extracted, count_tokens: &dyn Fn(&str) -> usize, options: &ChunkOptions) -> Vec<Passage> {
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
    assert_eq!(Counter::new(&words, 30).count(&chunks[1].text), 4);
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
        assert!((10..=30).contains(&chunk.text.split_whitespace().count()), "{chunk:?}");
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
        chunks.iter().map(|chunk| (chunk.text.as_str(), chunk.page, chunk.page_last)).collect();
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
fn a_sentence_that_is_too_long_for_a_passage_is_cut_where_its_page_ends() {
    let pages = ["uno", "dos", "tres"].map(|word| [word; 20].join(" "));
    let blocks = pages.iter().zip(1_u32..).map(|(text, page)| paragraph(text, page)).collect();
    let chunks = cut(&document(blocks), &words, &small());
    let seen: Vec<_> = chunks.iter().map(|chunk| (&chunk.text, chunk.page, chunk.page_last)).collect();
    let expected: Vec<_> =
        pages.iter().zip(1_u32..).map(|(text, page)| (text, Some(page), Some(page))).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_word_that_the_end_of_a_page_divides_is_whole_again() {
    let pages = vec![paragraph("El muro es de hormi-", 2), paragraph("gón armado. Sigue otra.", 3)];
    let chunks = cut(&document(pages), &words, &ChunkOptions::default());
    assert_eq!(chunks[0].text, "El muro es de hormigón armado.");
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
        let most = max_tokens.max(1);
        assert!(chunks.iter().all(|chunk| chunk.text.split_whitespace().count() <= most), "{options:?}");
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
