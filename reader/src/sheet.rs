//! Spreadsheets and CSV files: rows are added one by one, and the first row that names columns is the header. Below an
//! empty row, another table may begin.

use calamine::Dimensions;

use super::{
    BlockKind, Error, Limits,
    blocks::Blocks,
    table::{Cells, Header, is_figure, looks_like_header, plain},
};

/// Number of rows among which the header is searched: a title and a few lines of general information may be
/// above it.
const ROWS_TO_DECIDE: usize = 20;
const DEEPEST_HEADER: usize = 3;

pub struct Sheet<'b> {
    out: &'b mut Blocks,
    most_columns: usize,
    /// The name of the sheet, which is written before its first text.
    name: Option<String>,
    /// Rows that wait until the header is found.
    waiting: Vec<Row>,
    header: Option<Header>,
    /// The header of the table above an empty row, while the rows below it wait.
    previous: Option<Header>,
    header_rows: Vec<Cells>,
    is_after_gap: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Row {
    pub cells: Cells,
    /// The columns whose texts are numbers, although they do not look like figures.
    pub amounts: Vec<usize>,
    /// Merged regions that begin in this row.
    pub merged: Vec<Dimensions>,
    /// Whether the row above is empty.
    pub after_gap: bool,
}

impl<'b> Sheet<'b> {
    pub fn new(name: Option<&str>, out: &'b mut Blocks, limits: &Limits) -> Self {
        Self {
            out,
            most_columns: limits.columns,
            name: name.map(str::to_owned),
            waiting: Vec::new(),
            header: None,
            previous: None,
            header_rows: Vec::new(),
            is_after_gap: false,
        }
    }

    /// Adds the next row. Of an empty row, only the place is remembered.
    pub fn row(&mut self, mut row: Row) -> Result<(), Error> {
        Error::if_over("columns", row.cells.len(), self.most_columns)?;
        if row.cells.is_empty() {
            self.is_after_gap = true;
            return Ok(());
        }
        row.after_gap |= std::mem::take(&mut self.is_after_gap);
        self.begin()?;
        self.place(row)
    }

    /// Ends the sheet. `notes` follow its rows.
    pub fn finish(mut self, notes: &[String]) -> Result<(), Error> {
        // The first decision may leave the rows below an empty row waiting.
        while self.header.is_none() {
            self.decide()?;
        }
        for note in notes {
            self.begin()?;
            self.out.push(BlockKind::Paragraph, note, None)?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Error> {
        match self.name.take() {
            Some(name) => self.out.push(BlockKind::Heading(1), &name, None),
            None => Ok(()),
        }
    }

    /// Writes a row, or lets it wait until its header is found.
    fn place(&mut self, mut row: Row) -> Result<(), Error> {
        let is_first_table = self.header.is_none() && self.previous.is_none();
        if row.after_gap && !is_first_table {
            if self.header.is_none() {
                self.decide()?;
            }
            self.previous = self.header.take();
            row.after_gap = false;
        }
        let Some(header) = &self.header else {
            self.waiting.push(row);
            return if self.waiting.len() >= ROWS_TO_DECIDE { self.decide() } else { Ok(()) };
        };
        // Printed sheets repeat their header; the repetitions are left out.
        if self.header_rows.contains(&row.cells) {
            return Ok(());
        }
        self.out.push(BlockKind::TableRow, &header.line(&row.cells), None)
    }

    /// Finds the header among the waiting rows, and places all other waiting rows.
    fn decide(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.waiting);
        let judged: Vec<Row> = rows.iter().map(with_figures).collect();
        let at = if self.previous.is_some() { next_header(&judged) } else { header_position(&judged) };
        let mut header = self.previous.take().unwrap_or_default();
        let mut end = 0;
        if let Some(at) = at {
            header = Header::default();
            self.header_rows.clear();
            for row in &rows[..at] {
                self.out.push(BlockKind::Paragraph, &plain(&row.cells), None)?;
            }
            // If a merged region continues below the header, the header has more rows.
            let rows_below = |region: &Dimensions| region.end.0.saturating_sub(region.start.0) as usize;
            let deeper = rows[at].merged.iter().map(rows_below).max().unwrap_or(0);
            end = (at + 1 + deeper.min(DEEPEST_HEADER - 1)).min(rows.len() - 1);
            for row in &rows[at..end] {
                header.add(&spread(row));
                self.header_rows.push(row.cells.clone());
            }
        }
        self.header = Some(header);
        rows.into_iter().skip(end).try_for_each(|row| self.place(row))
    }
}

/// Returns the first row that names columns, has rows below it and is about as wide as the widest row.
fn header_position(rows: &[Row]) -> Option<usize> {
    let widest = rows.iter().map(|row| row.cells.len()).max()?;
    let first = |least: usize| {
        (0..rows.len().saturating_sub(1)).find(|at| {
            let cells = &rows[*at].cells;
            spread(&rows[*at]).len() >= least
                && (looks_like_header(cells) || stands_above(cells, &rows[at + 1].cells))
        })
    };
    // Labels and values above the table are narrower than the table; some tables are wider than their header.
    let at = first((widest * 3).div_ceil(4)).or_else(|| first(widest.div_ceil(2)))?;
    (widest > 2 || !is_form(&rows[at..])).then_some(at)
}

/// Returns the header of another table below an empty row, after titles of one cell. A table with empty rows inside keeps
/// its names, so this header must look like one and also stand above figures.
fn next_header(rows: &[Row]) -> Option<usize> {
    let at = rows.iter().position(|row| row.cells.len() > 1)?;
    let (cells, below) = (&rows[at].cells, &rows.get(at + 1)?.cells);
    // A first cell such as "P-4" is a code, not a name.
    let has_code = cells.first().is_some_and(|(_, first)| first.contains(|c: char| c.is_ascii_digit()));
    (!has_code && looks_like_header(cells) && stands_above(cells, below)).then_some(at)
}

/// Returns a row in which every amount is written as a figure.
fn with_figures(row: &Row) -> Row {
    let mut row = row.clone();
    for (column, text) in &mut row.cells {
        if row.amounts.contains(column) {
            *text = "0".to_owned();
        }
    }
    row
}

/// Whether a row has words above figures in at least two columns, and has few figures itself.
fn stands_above(names: &Cells, below: &Cells) -> bool {
    let figures = names.iter().filter(|(_, name)| is_figure(name)).count();
    let over_figures = names.iter().filter(|(column, name)| {
        let value = below.iter().find(|(below, _)| below == column);
        !is_figure(name) && value.is_some_and(|(_, value)| is_figure(value))
    });
    figures * 4 <= names.len() && over_figures.count() >= 2
}

/// Whether the first column has labels and the second their values: if only one row follows the first row, or
/// if the second column has words as well as figures.
fn is_form(rows: &[Row]) -> bool {
    let Some((label, _)) = rows.first().and_then(|first| first.cells.first()) else { return false };
    let below: Vec<&Row> = rows.iter().skip(1).filter(|row| row.cells != rows[0].cells).collect();
    let values = below.iter().flat_map(|row| &row.cells).filter(|(column, _)| column != label);
    let values: Vec<bool> = values.map(|(_, text)| is_figure(text)).collect();
    below.len() < 2 || (values.contains(&true) && values.contains(&false))
}

/// Returns the cells of a header row, with a merged cell repeated in each of its columns.
fn spread(row: &Row) -> Cells {
    let mut cells = Cells::new();
    for (column, text) in &row.cells {
        let region = row.merged.iter().find(|region| region.start.1 as usize == *column);
        // A region may claim to cover all columns, so at most 100 are filled.
        let last = region.map_or(*column, |region| (region.end.1 as usize).min(column.saturating_add(100)));
        cells.extend((*column..=last).map(|column| (column, text.clone())));
    }
    cells
}

#[cfg(test)]
mod tests;
