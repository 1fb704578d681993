//! The reading order of a page.

use super::Line;

/// Sorts the lines of a page if they are not in reading order.
///
/// Most programs write a page in reading order, column after column; that order is kept. Only drawings and forms whose
/// lines jump up and down are sorted from top to bottom.
pub(super) fn reading_order(lines: &mut [Line]) {
    let jumps = lines.windows(2).filter(|pair| jumps_back(&pair[0], &pair[1])).count();
    if jumps > 2 && jumps * 5 > lines.len() {
        lines.sort_by(|a, b| row(b).cmp(&row(a)).then(a.left.total_cmp(&b.left)));
    }
}

/// Whether the second line is above the first one, in the same column.
fn jumps_back(first: &Line, second: &Line) -> bool {
    second.bottom > first.top && overlap(first, second) > 0.5
}

/// Returns the share of the narrower line's width that both lines cover.
fn overlap(a: &Line, b: &Line) -> f32 {
    let shared = a.right.min(b.right) - a.left.max(b.left);
    let narrower = (a.right - a.left).min(b.right - b.left).max(1.0);
    shared / narrower
}

/// Returns the number of a line's row. Lines whose middles are within 4 points are usually side by side in one row.
fn row(line: &Line) -> i32 {
    const HEIGHT: f32 = 4.0;
    (f32::midpoint(line.bottom, line.top) / HEIGHT).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(positions: &[(f32, f32)]) -> Vec<Line> {
        let line = |(left, bottom): &(f32, f32)| Line {
            cells: vec![format!("{left} {bottom}")],
            left: *left,
            right: left + 100.0,
            bottom: *bottom,
            top: bottom + 10.0,
            ..Line::default()
        };
        positions.iter().map(line).collect()
    }

    fn bottoms(lines: &[Line]) -> Vec<f32> {
        lines.iter().map(|line| line.bottom).collect()
    }

    #[test]
    fn columns_keep_their_order_and_disordered_lines_are_sorted() {
        let mut columns = lines(&[(0.0, 700.0), (0.0, 680.0), (0.0, 660.0), (200.0, 700.0), (200.0, 680.0)]);
        let before = bottoms(&columns);
        reading_order(&mut columns);
        assert_eq!(bottoms(&columns), before);

        let mut jumble =
            lines(&[(0.0, 100.0), (0.0, 500.0), (0.0, 300.0), (0.0, 600.0), (0.0, 200.0), (0.0, 400.0)]);
        reading_order(&mut jumble);
        assert_eq!(bottoms(&jumble), [600.0, 500.0, 400.0, 300.0, 200.0, 100.0]);
    }
}
