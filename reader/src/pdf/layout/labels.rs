//! Joins the number or mark of a heading or list item with its text, which a tab separates as widely as a cell.

use super::Line;
use crate::text::{is_list_item, numbered_level};

/// Joins them, except in the rows of a table. A line of at least `large` points is a heading.
pub(super) fn join(lines: &mut [Line], large: f32) {
    let below = below_rows(lines.iter(), large);
    let mut above = below_rows(lines.iter().rev(), large);
    above.reverse();
    for (line, in_table) in lines.iter_mut().zip(below.into_iter().zip(above)) {
        if is_labelled(line, large) && in_table == (false, false) {
            line.cells = vec![line.text()];
            line.spans = vec![(line.left, line.right)];
        }
    }
}

/// Whether a line has two cells, the number or mark of a heading or list item and its text.
fn is_labelled(line: &Line, large: f32) -> bool {
    let [label, _] = &line.cells[..] else { return false };
    let text = line.text();
    let stands_out = line.bold || (large > 0.0 && line.size >= large);
    !label.contains(' ') && (is_list_item(&text) || (stands_out && numbered_level(&text).is_some()))
}

/// Returns for each line whether it has a label and follows a row of a table that has cells at the same positions. Only
/// such lines, and further lines of the row's cells, may be between the two.
fn below_rows<'l>(lines: impl Iterator<Item = &'l Line>, large: f32) -> Vec<bool> {
    let mut row: Option<&Line> = None;
    let follows = |line: &'l Line| {
        if is_labelled(line, large) {
            return row.is_some_and(|row| line.spans.iter().all(|(left, _)| begins(row, 0, *left)));
        }
        let goes_on = !line.is_row() && row.is_some_and(|row| begins(row, 1, line.left));
        if !goes_on {
            row = line.is_row().then_some(line);
        }
        false
    };
    lines.map(follows).collect()
}

/// Whether a cell of the row, from this one on, begins at a position.
fn begins(row: &Line, first: usize, left: f32) -> bool {
    row.spans.iter().skip(first).any(|(begin, _)| (begin - left).abs() <= row.size)
}

#[cfg(test)]
mod tests {
    use super::{super::group::tests::row, *};

    fn joined(lines: &[Line]) -> Vec<Vec<String>> {
        let mut lines = lines.to_vec();
        join(&mut lines, 12.0);
        lines.into_iter().map(|line| line.cells).collect()
    }

    #[test]
    fn a_label_before_a_tab_is_part_of_its_line() {
        let bold = Line { bold: true, ..row(&[("2", 50.0), ("ALCANCE", 76.0)], 440.0) };
        let large = Line { size: 14.0, ..row(&[("2.1", 50.0), ("Obras", 90.0)], 420.0) };
        let lines = [
            row(&[("1.", 50.0), ("GENERALIDADES", 76.0)], 500.0),
            row(&[("Texto que empieza en el margen.", 50.0)], 480.0),
            row(&[("•", 60.0), ("Acero", 80.0)], 460.0),
            bold,
            large,
            row(&[("3", 50.0), ("Bomba", 120.0)], 400.0),
            row(&[("Proyecto", 50.0), ("Torre Norte", 150.0)], 380.0),
        ];
        let expected: [&[&str]; 7] = [
            &["1. GENERALIDADES"],
            &["Texto que empieza en el margen."],
            &["• Acero"],
            &["2 ALCANCE"],
            &["2.1 Obras"],
            &["3", "Bomba"],
            &["Proyecto", "Torre Norte"],
        ];
        assert_eq!(joined(&lines), expected);
    }

    #[test]
    fn a_table_with_numbers_in_its_first_column_stays_a_table() {
        let chapter = row(&[("1.", 52.0), ("Equipos de bombeo y", 100.0)], 480.0);
        let wrapped = row(&[("tuberías", 100.0)], 468.0);
        let next = row(&[("2.", 52.0), ("Válvulas", 100.0)], 450.0);
        let header = row(&[("Ítem", 50.0), ("Descripción", 100.0)], 500.0);
        let full = row(&[("3.", 52.0), ("Motor", 100.0), ("5", 300.0)], 430.0);
        let kept = [chapter.cells.clone(), wrapped.cells.clone(), next.cells.clone()];
        assert_eq!(joined(&[header, chapter.clone(), wrapped.clone(), next.clone()])[1..], kept);
        assert_eq!(joined(&[chapter.clone(), wrapped.clone(), next.clone(), full])[..3], kept);
        // Without another row, nothing shows a table.
        assert_eq!(joined(&[chapter, wrapped, next])[2], ["2. Válvulas"]);
    }
}
