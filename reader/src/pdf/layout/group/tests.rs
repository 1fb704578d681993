use super::*;

/// Builds a line of cells, each with its text and its left end.
pub fn row(cells: &[(&str, f32)], bottom: f32) -> Line {
    const LETTER_WIDTH: f32 = 5.0;
    Line {
        cells: cells.iter().map(|(text, _)| (*text).to_owned()).collect(),
        spans: cells
            .iter()
            .map(|(text, left)| (*left, left + text.chars().count() as f32 * LETTER_WIDTH))
            .collect(),
        left: cells[0].1,
        right: cells[cells.len() - 1].1 + 80.0,
        bottom,
        top: bottom + 10.0,
        size: 10.0,
        bold: false,
    }
}

#[test]
fn a_cell_of_two_lines_is_one_cell() {
    let lines = [
        row(&[("BH-4", 50.0), ("30 m", 150.0), ("south-west corner, clay and sand-", 250.0)], 500.0),
        row(&[("stone lens", 250.0)], 488.0),
        row(&[("BH-5", 50.0), ("30 m", 150.0), ("east", 250.0)], 470.0),
        row(&[("Below the table text begins.", 50.0)], 458.0),
    ];
    let groups = groups(&lines);
    let Group::Row(first) = &groups[0] else { panic!("{groups:?}") };
    assert_eq!(first.cells[2], "south-west corner, clay and sandstone lens");
    assert_eq!(groups.len(), 3);
    assert_eq!(groups[2].text(), "Below the table text begins.");
}

#[test]
fn paragraphs_end_at_short_lines_and_gaps() {
    let line = |text, bottom, right: f32| Line { right, ..row(&[(text, 50.0)], bottom) };
    let lines = [
        line("Primera línea que llega hasta el margen", 500.0, 400.0),
        line("y acaba aquí.", 487.0, 120.0),
        line("Otra sin más espacio que llega al margen", 474.0, 400.0),
        line("y sigue.", 461.0, 100.0),
        line("Tras un espacio.", 430.0, 120.0),
    ];
    let texts: Vec<String> = groups(&lines).iter().map(Group::text).collect();
    assert_eq!(
        texts,
        [
            "Primera línea que llega hasta el margen y acaba aquí.",
            "Otra sin más espacio que llega al margen y sigue.",
            "Tras un espacio.",
        ]
    );
}
