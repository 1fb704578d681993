//! HTML tables: each cell is written with the header of its column.

use ego_tree::iter::Edge;
use scraper::{ElementRef, Node, node::Element};

use super::{is_block, is_dropped, pass_over};
use crate::{
    Error, Limits,
    blocks::one_line,
    table::{Cells, RowRole, Table},
    text::is_power,
};

/// The limits of the HTML standard for spans.
const WIDEST_SPAN: usize = 1_000;
const DEEPEST_SPAN: usize = 65_534;

/// Returns the caption and the rows of a data table; None for a table that is only layout.
pub(super) fn lines(table: ElementRef, limits: &Limits) -> Result<Option<(String, Vec<String>)>, Error> {
    let mut caption = String::new();
    let mut rows: Vec<Row> = Vec::new();
    let mut cells = 0;
    let mut begins_group = false;
    // Whether a raised text begins here.
    let mut is_raised = false;
    let mut edges = table.traverse();
    while let Some(edge) = edges.next() {
        // Text before the first row is the caption.
        let mut text = match rows.last_mut() {
            Some(row) => row.cells.last_mut().map(|cell| &mut cell.text),
            None => Some(&mut caption),
        };
        let (Edge::Open(node) | Edge::Close(node)) = edge;
        // A block or a line break in a cell separates the texts around it. Any other element may stand inside a word.
        if let (Some(text), Node::Element(element)) = (&mut text, node.value())
            && (element.name() == "br" || is_block(element.name()))
        {
            text.push(' ');
        }
        if matches!(edge, Edge::Close(_)) {
            is_raised = false;
            continue;
        }
        match node.value() {
            Node::Text(found) => {
                if let Some(text) = text {
                    if is_raised && is_power(text, found) {
                        text.push('^');
                    }
                    text.push_str(found);
                }
            }
            Node::Element(element) if is_dropped(element) => pass_over(&mut edges, node.id()),
            Node::Element(element) => match element.name() {
                "table" if node.id() != table.id() => return Ok(None),
                "sup" => is_raised = true,
                "thead" | "tbody" | "tfoot" => begins_group = true,
                "tr" => rows.push(Row { cells: vec![], begins_group: std::mem::take(&mut begins_group) }),
                "td" | "th" => {
                    let Some(row) = rows.last_mut() else { return Ok(None) };
                    row.cells.push(Cell::new(element));
                    cells += 1;
                    Error::if_over("columns", row.cells.len(), limits.columns)?;
                    Error::if_over("cells", cells, limits.cells)?;
                }
                _ => {}
            },
            _ => {}
        }
    }
    if rows.iter().all(|row| row.cells.len() <= 1) {
        return Ok(None);
    }
    Ok(Some((caption, labelled(rows, limits)?)))
}

struct Row {
    cells: Vec<Cell>,
    /// Whether this is the first row of a `thead`, `tbody` or `tfoot`: a cell never reaches into the next group.
    begins_group: bool,
}

impl Row {
    fn is_header(&self) -> bool {
        !self.cells.is_empty() && self.cells.iter().all(|cell| cell.is_head)
    }
}

struct Cell {
    text: String,
    is_head: bool,
    columns: usize,
    rows: usize,
}

impl Cell {
    fn new(element: &Element) -> Self {
        let span = |name| element.attr(name).and_then(|span| span.trim().parse::<usize>().ok());
        let rows = match span("rowspan") {
            // Zero is a span to the end of the group.
            Some(0) => DEEPEST_SPAN,
            rows => rows.unwrap_or(1).min(DEEPEST_SPAN),
        };
        let columns = span("colspan").unwrap_or(1).clamp(1, WIDEST_SPAN);
        Self { text: String::new(), is_head: element.name() == "th", columns, rows }
    }
}

/// A column that a cell of a row above covers.
#[derive(Clone, Default)]
struct Covered {
    rows_left: usize,
    /// The cell's text in its first column; empty in its other columns, except in those of a header.
    text: String,
}

/// Gives each cell its column. The text of a cell that covers several rows is repeated in each of them.
fn placed(row: Row, is_header: bool, above: &mut Vec<Covered>, most_columns: usize) -> Cells {
    if row.begins_group {
        above.clear();
    }
    let mut own = row.cells.into_iter().peekable();
    let mut cells = Cells::new();
    let mut column = 0;
    while own.peek().is_some() || column < above.len() {
        if let Some(covered) = above.get_mut(column).filter(|covered| covered.rows_left > 0) {
            covered.rows_left -= 1;
            cells.push((column, covered.text.clone()));
            column += 1;
        } else if let Some(cell) = own.next() {
            let text = one_line(&cell.text);
            let most = most_columns.saturating_sub(column).max(1);
            for part in 0..cell.columns.min(most) {
                let text = if part == 0 || is_header { text.clone() } else { String::new() };
                above.resize(above.len().max(column + 1), Covered::default());
                above[column] = Covered { rows_left: cell.rows.saturating_sub(1), text: text.clone() };
                cells.push((column, text));
                column += 1;
            }
        } else {
            column += 1;
        }
    }
    cells.retain(|(_, text)| !text.is_empty());
    cells
}

fn labelled(rows: Vec<Row>, limits: &Limits) -> Result<Vec<String>, Error> {
    let marked = rows.iter().any(Row::is_header);
    let mut table = Table::default();
    let mut lines = Vec::new();
    let mut above = Vec::new();
    let mut gathered = 0;
    for row in rows {
        let is_header = row.is_header();
        let role = match (is_header, marked) {
            (true, _) => RowRole::Header,
            (false, true) => RowRole::Data,
            (false, false) => RowRole::Unknown,
        };
        // As in a spreadsheet, a row without text of its own is not a row.
        let is_empty = row.cells.iter().all(|cell| cell.text.trim().is_empty());
        let cells = placed(row, is_header, &mut above, limits.columns);
        // A small file may repeat a long cell in many rows.
        gathered += cells.iter().map(|(_, text)| text.len()).sum::<usize>();
        Error::if_over("bytes of text", gathered, limits.text_bytes)?;
        if !is_empty {
            lines.extend(table.row(cells, role));
        }
    }
    lines.extend(table.finish());
    Ok(lines)
}
