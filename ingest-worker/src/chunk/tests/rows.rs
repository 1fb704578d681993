//! Table rows in passages.

use super::*;

fn rows(rows: &[String]) -> Extracted {
    document(rows.iter().map(|row| block(BlockKind::TableRow, row, 0)).collect())
}

#[test]
fn rows_and_items_stand_on_their_lines_and_are_not_repeated() {
    let rows = rows(&(0..20).map(|n| format!("Sala: {n}; Área: {n} m2")).collect::<Vec<_>>());
    let chunks = cut(&rows, &words, &small());
    assert!(chunks[0].text.starts_with("Sala: 0; Área: 0 m2\nSala: 1;"));
    let all: Vec<&str> = chunks.iter().flat_map(|chunk| chunk.text.lines()).collect();
    assert_eq!(all.len(), 20);
}

#[test]
fn a_row_is_not_cut_where_a_sentence_ends_in_a_cell() {
    let all = [
        "N.º: 3; Acuerdo: Se instala baranda. El plazo es el viernes; Responsable: Soto".to_owned(),
        "4; Se repara el muro. El plazo es el lunes; Rivas".to_owned(),
    ];
    let options = ChunkOptions { target_tokens: 6, max_tokens: 30, overlap_tokens: 0 };
    let chunks = cut(&rows(&all), &words, &options);
    assert_eq!(chunks.into_iter().map(|chunk| chunk.text).collect::<Vec<_>>(), all);
}

#[test]
fn a_row_that_is_too_long_is_cut_between_its_cells_under_its_first_one() {
    let cells: Vec<String> = (1..=9).map(|n| format!("Columna {n}: valor. Valor {n}")).collect();
    let chunks = cut(&rows(&[format!("Sala: A; {}", cells.join("; "))]), &words, &small());
    assert_eq!(chunks.len(), 2);
    for (chunk, cells) in chunks.iter().zip([&cells[..5], &cells[5..]]) {
        assert_eq!(chunk.text, format!("Sala: A; {}", cells.join("; ")));
    }

    let chunks = cut(&rows(&[format!("Sala: B; Nota:{}", " palabra".repeat(60))]), &words, &small());
    let pieces: Vec<&str> = chunks.iter().flat_map(|chunk| chunk.text.lines()).collect();
    assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.starts_with("Sala: B; ")), "{pieces:?}");
    assert_eq!(pieces.concat().matches("palabra").count(), 60);

    // A first cell that is a text itself is not repeated.
    let chunks = cut(&rows(&[format!("Nota:{}; Sala: C", " palabra".repeat(60))]), &words, &small());
    assert_eq!(chunks.iter().filter(|chunk| chunk.text.contains("Nota:")).count(), 1);
}
