//! HTML tables: each cell is written with the header of its column.

use ego_tree::iter::Edge;
use scraper::{ElementRef, Node};

use super::{
    super::{
        Error, Limits,
        blocks::one_line,
        table::{Cells, RowRole, Table},
    },
    is_dropped, pass_over,
};

/// Returns the rows of a data table; None for a table that is only layout.
pub(super) fn rows(table: ElementRef, limits: &Limits) -> Result<Option<Vec<String>>, Error> {
    let mut rows: Vec<Row> = Vec::new();
    let mut cells = 0;
    let mut edges = table.traverse();
    while let Some(edge) = edges.next() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Text(text) => {
                    if let Some(cell) = rows.last_mut().and_then(|row| row.cells.last_mut()) {
                        cell.push_str(text);
                    }
                }
                Node::Element(element) if is_dropped(element) => pass_over(&mut edges, node.id()),
                Node::Element(element) => match element.name() {
                    "table" if node.id() != table.id() => return Ok(None),
                    "tr" => rows.push(Row::default()),
                    name @ ("td" | "th") => {
                        let Some(row) = rows.last_mut() else { return Ok(None) };
                        row.cells.push(String::new());
                        row.heads += usize::from(name == "th");
                        cells += 1;
                        Error::if_over("columns", row.cells.len(), limits.columns)?;
                        Error::if_over("cells", cells, limits.cells)?;
                    }
                    // Any other element in a cell, such as `br` or `p`, separates the texts around it by a
                    // space.
                    _ => {
                        if let Some(cell) = rows.last_mut().and_then(|row| row.cells.last_mut()) {
                            cell.push(' ');
                        }
                    }
                },
                _ => {}
            },
            Edge::Close(_) => {}
        }
    }
    let widest = rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
    Ok((widest > 1).then(|| labelled(rows)))
}

#[derive(Default)]
struct Row {
    cells: Vec<String>,
    /// The number of header cells in `cells`.
    heads: usize,
}

impl Row {
    fn is_header(&self) -> bool {
        self.heads > 0 && self.heads == self.cells.len()
    }
}

fn labelled(rows: Vec<Row>) -> Vec<String> {
    let marked = rows.iter().any(Row::is_header);
    let mut table = Table::default();
    let mut lines = Vec::new();
    for row in rows {
        let role = match (row.is_header(), marked) {
            (true, _) => RowRole::Header,
            (false, true) => RowRole::Data,
            (false, false) => RowRole::Unknown,
        };
        let cells = row.cells.iter().map(|cell| one_line(cell)).enumerate();
        let cells: Cells = cells.filter(|(_, cell)| !cell.is_empty()).collect();
        if !cells.is_empty() {
            lines.extend(table.row(cells, role));
        }
    }
    lines.extend(table.finish());
    lines
}
