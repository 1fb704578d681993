//! Writes table rows, with the names of their columns.

use super::Line;
use crate::{
    BlockKind, Error,
    blocks::Blocks,
    table::{Cells, Header, is_figure, looks_like_header, plain},
};

/// Maximum number of lines between two parts of a table, such as a footer and the title of the next page.
const MOST_BETWEEN: usize = 3;

/// Writes the rows of a document. A table may go on below a line of text or on the next page, without its header.
#[derive(Default)]
pub(super) struct Rows {
    table: Option<NamedColumns>,
    /// Number of lines since the last row of the table.
    between: usize,
    /// Whether a title is among these lines.
    is_after_title: bool,
}

impl Rows {
    /// Counts lines that are not of the table, and ends the table after too many of them.
    pub fn pass(&mut self, lines: usize, is_title: bool) {
        self.is_after_title |= is_title;
        self.between = self.between.saturating_add(lines);
        if self.between > MOST_BETWEEN {
            self.table = None;
        }
    }

    /// Writes rows without text between them.
    pub fn write(&mut self, rows: &[&Line], page: u32, blocks: &mut Blocks) -> Result<(), Error> {
        let open = self.table.as_ref().filter(|table| table.has(rows));
        let new = NamedColumns::below_header(rows).filter(|new| {
            open.is_none_or(|open| open.names != new.names && is_surely_header(rows, self.is_after_title))
        });
        let is_named = open.is_some() || new.is_some();
        if new.is_some() {
            self.table = new;
        }
        for row in rows {
            let text = match self.table.as_mut().filter(|_| is_named) {
                Some(table) => table.line(row),
                None => Some(plain(&cells(row))),
            };
            if let Some(text) = text {
                blocks.push(BlockKind::TableRow, &text, Some(page))?;
            }
        }
        if is_named {
            (self.between, self.is_after_title) = (0, false);
        } else {
            self.pass(rows.len(), false);
        }
        Ok(())
    }
}

/// Whether the first row is a header even where a table goes on: it is not narrower than the next row, and it alone is
/// bold, or it has no digits and follows a title or stands above figures. Any other text before it may be a footer, or
/// the second line of a row's first cell.
fn is_surely_header(rows: &[&Line], is_after_title: bool) -> bool {
    let [first, below, ..] = rows else { return false };
    let has_digits = first.cells.iter().any(|cell| cell.contains(|c: char| c.is_ascii_digit()));
    let figures = below.cells.iter().filter(|cell| is_figure(cell)).count();
    let is_bold = first.bold && !below.bold;
    first.cells.len() >= below.cells.len() && (is_bold || (!has_digits && (is_after_title || figures >= 2)))
}

/// The columns of a table with a header.
struct NamedColumns {
    names: Cells,
    header: Header,
    /// The left and right end of each column.
    spans: Vec<(f32, f32)>,
}

impl NamedColumns {
    /// Returns the columns if the first row names those of the rows below it.
    fn below_header(rows: &[&Line]) -> Option<Self> {
        let (first, below) = rows.split_first()?;
        let names = cells(first);
        if names.len() < 3 || !looks_like_header(&names) {
            return None;
        }
        let mut header = Header::default();
        header.add(&names);
        let table = Self { names, header, spans: first.spans.clone() };
        below.iter().any(|row| table.is_full(row) || table.columns_of(row).is_some()).then_some(table)
    }

    /// Whether most rows have the positions of this table. A label and its value alone do not show this.
    fn has(&self, rows: &[&Line]) -> bool {
        let mut own = rows.iter().filter(|row| self.columns_of(row).is_some());
        own.clone().count() * 2 > rows.len() && own.any(|row| row.cells.len() > 2)
    }

    fn is_full(&self, row: &Line) -> bool {
        row.cells.len() == self.names.len()
    }

    /// Returns the column of each cell: the one that the cell overlaps most, or that is nearest.
    fn columns_of(&self, row: &Line) -> Option<Vec<usize>> {
        let is_label = |cell: &String| cell.ends_with(':');
        if row.cells.len() * 2 < self.names.len() || row.cells.iter().any(is_label) {
            return None;
        }
        let nearest = |(left, right): &(f32, f32)| {
            let gaps = self.spans.iter().map(|(begin, end)| left.max(*begin) - right.min(*end));
            let (column, gap) = gaps.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b))?;
            (gap <= row.size).then_some(column)
        };
        let columns: Vec<usize> = row.spans.iter().map(nearest).collect::<Option<_>>()?;
        columns.is_sorted_by(|a, b| a < b).then_some(columns)
    }

    /// Returns the text of a row; None if it repeats the header.
    fn line(&mut self, row: &Line) -> Option<String> {
        let mut cells = cells(row);
        if cells == self.names {
            return None;
        }
        if self.is_full(row) {
            for (column, cell) in self.spans.iter_mut().zip(&row.spans) {
                *column = (column.0.min(cell.0), column.1.max(cell.1));
            }
        } else if let Some(columns) = self.columns_of(row) {
            for (cell, column) in cells.iter_mut().zip(columns) {
                cell.0 = column;
            }
        } else {
            return Some(plain(&cells));
        }
        Some(self.header.line(&cells))
    }
}

fn cells(line: &Line) -> Cells {
    line.cells.iter().cloned().enumerate().collect()
}

#[cfg(test)]
mod tests;
