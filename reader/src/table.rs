//! Writes table rows that make sense alone: each cell is preceded by the header of its column.

use std::collections::BTreeMap;

use schemas::text::one_line;

/// The cells of a row that are not empty, from left to right, with their column.
pub type Cells = Vec<(usize, String)>;

/// Maximum number of characters of a column name. A longer one is a sentence, and would be repeated in every row.
const LONGEST_NAME: usize = 100;

/// Maximum number of rows of a header. Further rows are data, even if they are marked as header.
const DEEPEST_HEADER: usize = 4;

/// The names of columns.
#[derive(Debug, Default)]
pub struct Header(BTreeMap<usize, String>);

impl Header {
    /// Adds a row of names. Names in the same column are joined, as `Quantity` with `planned` and `done` below it.
    pub fn add(&mut self, cells: &[(usize, String)]) {
        for (column, text) in cells {
            let text: String = one_line(text).trim_end_matches(':').chars().take(LONGEST_NAME).collect();
            let name = self.0.entry(*column).or_default();
            if name.is_empty() {
                *name = text;
            } else if *name != text {
                name.push(' ');
                name.push_str(&text);
            }
        }
    }

    /// Returns `Name: value; Name: value`.
    pub fn line(&self, cells: &[(usize, String)]) -> String {
        if self.0.is_empty() {
            return plain(cells);
        }
        let named: Vec<String> = cells
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(column, text)| match self.0.get(column) {
                Some(name) if !name.is_empty() && name != text => format!("{name}: {text}"),
                _ => text.clone(),
            })
            .collect();
        named.join("; ")
    }
}

/// Writes a row without column names. If it has two cells, the first is the label of the second. In a longer
/// row, a cell that ends with a colon is the label of the next cell.
pub fn plain(cells: &[(usize, String)]) -> String {
    let texts = texts(cells);
    if let [label, value] = texts[..] {
        return format!("{}: {value}", label.trim_end_matches(':'));
    }
    let mut line = String::new();
    for text in texts {
        if !line.is_empty() {
            line.push_str(if line.ends_with(':') { " " } else { "; " });
        }
        line.push_str(text);
    }
    line
}

/// Whether all cells are names: short, different from each other, and no figures (except a year).
pub fn looks_like_header(cells: &[(usize, String)]) -> bool {
    let names = texts(cells);
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    names.len() >= 2
        && distinct.len() == names.len()
        && names.iter().any(|name| !is_figure(name))
        && names.iter().all(|name| {
            name.chars().count() <= LONGEST_NAME
                && !name.ends_with(':')
                && (!is_figure(name) || is_year(name))
        })
}

fn texts(cells: &[(usize, String)]) -> Vec<&str> {
    cells.iter().map(|(_, text)| text.as_str()).filter(|text| !text.is_empty()).collect()
}

/// Whether a text is a number, an amount, a percentage or a date.
pub fn is_figure(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || " \u{a0}.,:/+-%$€()".contains(c))
}

fn is_year(text: &str) -> bool {
    text.parse().is_ok_and(|year: u16| (1900..=2100).contains(&year))
}

/// A table of a document, to which rows are added one by one.
#[derive(Debug, Default)]
pub struct Table {
    header: Header,
    /// The header rows; they are the text of a table that has no other rows.
    header_rows: Vec<Cells>,
    has_rows: bool,
}

/// What a document says about the role of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowRole {
    Header,
    Data,
    Unknown,
}

impl Table {
    /// Whether the next row is the first.
    pub fn is_empty(&self) -> bool {
        self.header_rows.is_empty() && !self.has_rows
    }

    /// Returns the row's text; None if the row is a header.
    pub fn row(&mut self, cells: Cells, role: RowRole) -> Option<String> {
        let is_header = match role {
            RowRole::Header => !self.has_rows && self.header_rows.len() < DEEPEST_HEADER,
            // Two columns are often labels and values, and a wrong header does more harm than none.
            RowRole::Unknown => self.is_empty() && cells.len() >= 3 && looks_like_header(&cells),
            RowRole::Data => false,
        };
        if is_header {
            self.header.add(&cells);
            self.header_rows.push(cells);
            return None;
        }
        // Tables that continue on other pages often repeat their header.
        if self.header_rows.contains(&cells) {
            return None;
        }
        self.has_rows = true;
        Some(self.header.line(&cells))
    }

    /// Returns the header rows of a table that has no other rows.
    pub fn finish(self) -> Vec<String> {
        if self.has_rows { Vec::new() } else { self.header_rows.iter().map(|cells| plain(cells)).collect() }
    }
}

#[cfg(test)]
pub mod tests;
