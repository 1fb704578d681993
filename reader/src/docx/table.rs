//! Tables of Word: merged cells, headers with or without a mark, and tables that are only layout.

use std::collections::HashMap;

use schemas::text::one_line;

use super::{pages::Position, styles::Styles};
use crate::{
    Block, BlockKind, Error,
    table::{Cells, RowRole},
    xml::{self, Xml, attribute, is_on},
};

#[derive(Default)]
pub struct Table {
    rows: crate::table::Table,
    style: String,
    /// Whether this table uses its style's format of the first row.
    uses_first_row: bool,
    /// The text of cells that are merged with cells below, by column.
    merged: HashMap<usize, String>,
    pub row: Option<Row>,
}

pub struct Row {
    pub cells: Vec<Container>,
    header: bool,
    deleted: bool,
    skipped_columns: usize,
    pub begins: Position,
    pub ends: Position,
}

/// What contains blocks: a cell, or else the document, a text box or a note, which have no properties of a cell.
#[derive(Default)]
pub struct Container {
    pub blocks: Vec<Block>,
    pub has_bold: bool,
    pub has_plain: bool,
    span: usize,
    /// The `vMerge` of the cell: `restart` begins a merged cell, anything else continues it.
    merge: Option<String>,
    shaded: bool,
}

impl Table {
    pub fn properties(&mut self, reader: &mut Xml<'_>) -> Result<(), Error> {
        reader.properties(&["tblPrChange"], |name, element| match name {
            "tblStyle" => self.style = xml::value(element),
            "tblLook" => {
                let bits = || u32::from_str_radix(&xml::value(element), 16);
                self.uses_first_row = match attribute(element, "firstRow").as_deref() {
                    Some(switch) => switch == "1" || switch == "true",
                    None => bits().is_ok_and(|bits| bits & 0x20 != 0),
                };
            }
            _ => {}
        })
    }

    /// Ends the current row: returns one block, or several if its cells contain headings or tables.
    pub fn finish_row(
        &mut self,
        row: Row,
        styles: &Styles,
        most_columns: usize,
    ) -> Result<Vec<Block>, Error> {
        if row.deleted {
            return Ok(Vec::new());
        }
        let mut column = row.skipped_columns;
        let (mut cells, mut spans) = (Cells::new(), Vec::new());
        for cell in &row.cells {
            let mut text = joined(&cell.blocks);
            let above = self.merged.remove(&column);
            if let Some(merge) = &cell.merge {
                if merge != "restart" && text.is_empty() {
                    text = above.unwrap_or_default();
                }
                self.merged.insert(column, text.clone());
            }
            let span = cell.span.max(1);
            if !text.is_empty() {
                cells.push((column, text));
                spans.push(span);
            }
            column = column.saturating_add(span);
            Error::if_over("columns", column, most_columns)?;
        }
        // The only cell of a row is a title or a frame around text. A table inside a cell is not a value of its column,
        // nor is a heading above or beside several paragraphs. Such blocks are returned as they are, without names of
        // columns.
        let is_value = cells.len() > 1 && row.cells.iter().all(|cell| cell.blocks.len() <= 1);
        let holds_more = row.cells.iter().flat_map(|cell| &cell.blocks).any(|block| match block.kind {
            BlockKind::TableRow => true,
            BlockKind::Heading(_) => !is_value,
            BlockKind::Paragraph | BlockKind::ListItem => false,
        });
        if row.cells.len() == 1 || holds_more {
            return Ok(row.cells.into_iter().flat_map(|cell| cell.blocks).collect());
        }
        if cells.is_empty() {
            return Ok(Vec::new());
        }
        let role = self.role(&row, styles);
        if role == RowRole::Header {
            // The text of a header cell names each column that the cell covers.
            let covered = |((column, text), span): ((usize, String), usize)| {
                (column..column + span).map(move |column| (column, text.clone()))
            };
            cells = cells.into_iter().zip(spans).flat_map(covered).collect();
        }
        let page = row.cells.iter().flat_map(|cell| &cell.blocks).find_map(|block| block.page);
        let line = self.rows.row(cells, role);
        Ok(line.map(|text| Block { kind: BlockKind::TableRow, text, page }).into_iter().collect())
    }

    /// Returns the rows that are left when the table ends.
    pub fn finish(self, page: u32) -> Vec<Block> {
        let rows = self.rows.finish().into_iter();
        rows.map(|text| Block { kind: BlockKind::TableRow, text, page: Some(page) }).collect()
    }

    fn role(&self, row: &Row, styles: &Styles) -> RowRole {
        let filled = || row.cells.iter().filter(|cell| !cell.blocks.is_empty());
        let is_marked = |cell: &Container| cell.shaded || (cell.has_bold && !cell.has_plain);
        let stands_out = || filled().count() >= 2 && filled().all(is_marked);
        let by_style = || self.uses_first_row && styles.has_first_row(&self.style);
        if row.header || (self.rows.is_empty() && (stands_out() || by_style())) {
            RowRole::Header
        } else {
            RowRole::Unknown
        }
    }
}

impl Row {
    pub fn new(begins: Position) -> Self {
        Self { cells: Vec::new(), header: false, deleted: false, skipped_columns: 0, begins, ends: begins }
    }

    pub fn properties(&mut self, reader: &mut Xml<'_>) -> Result<(), Error> {
        reader.properties(&["trPrChange"], |name, element| match name {
            "tblHeader" => self.header = is_on(element),
            "del" => self.deleted = true,
            "gridBefore" => self.skipped_columns = xml::value(element).parse().unwrap_or(0),
            _ => {}
        })
    }
}

impl Container {
    pub fn properties(&mut self, reader: &mut Xml<'_>) -> Result<(), Error> {
        reader.properties(&["tcPrChange"], |name, element| match name {
            "gridSpan" => self.span = xml::value(element).parse().unwrap_or(0),
            "vMerge" => self.merge = Some(xml::value(element)),
            "shd" => {
                let fill = attribute(element, "fill").unwrap_or_default().to_lowercase();
                self.shaded = !matches!(fill.as_str(), "" | "auto" | "ffffff");
            }
            _ => {}
        })
    }
}

/// The text of blocks on one line.
pub fn joined(blocks: &[Block]) -> String {
    let texts: Vec<String> = blocks.iter().map(|block| one_line(&block.text)).collect();
    texts.join(" ")
}
