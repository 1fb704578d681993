//! The shapes of a slide.

use std::collections::HashMap;

use quick_xml::events::BytesStart;
use schemas::text::one_line;

use crate::{
    BlockKind, Error, Limits,
    table::{Cells, RowRole, Table},
    xml::{self, Node, Xml, attribute},
};

#[derive(Debug, Default)]
pub struct Shape {
    pub place: Place,
    /// Paragraphs and table rows.
    pub contents: Vec<(BlockKind, String)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Title,
    Body,
    /// Date, footer or slide number: the same on every slide.
    Footer,
    #[default]
    Other,
}

/// Reads the shapes of a slide. `cells` counts the cells of all tables of the presentation.
pub fn read(part: &str, limits: &Limits, cells: &mut usize) -> Result<Vec<Shape>, Error> {
    let mut slide = Slide {
        limits,
        cells,
        shapes: Vec::new(),
        shape: Shape::default(),
        paragraph: String::new(),
        is_text: false,
        table: None,
        gathered: 0,
    };
    let mut reader = Xml::new(part, limits);
    loop {
        match reader.next()? {
            Node::Open(element) => slide.open(&element, &mut reader)?,
            Node::Close(element) => slide.close(xml::closed_name(&element))?,
            Node::Text(text) if slide.is_text => slide.paragraph.push_str(&text),
            Node::Text(_) => {}
            Node::End => {
                slide.next_shape();
                return Ok(slide.shapes);
            }
        }
    }
}

struct Slide<'a> {
    limits: &'a Limits,
    cells: &'a mut usize,
    shapes: Vec<Shape>,
    shape: Shape,
    paragraph: String,
    /// Whether the last tag opened a `t`. The `t` of a diagram contains whole paragraphs, with a `t` of their own.
    is_text: bool,
    table: Option<OpenTable>,
    /// Bytes of the tables' text; repeated headers and merged cells count each time.
    gathered: usize,
}

#[derive(Default)]
struct OpenTable {
    rows: Table,
    has_header: bool,
    row: Cells,
    column: usize,
    cell: Option<String>,
    /// Whether the cell is merged with the one above.
    is_merged: bool,
    /// The last text of each column.
    above: HashMap<usize, String>,
}

impl Slide<'_> {
    fn open(&mut self, element: &BytesStart<'_>, reader: &mut Xml<'_>) -> Result<(), Error> {
        let name = xml::name(element);
        self.is_text = name == "t";
        match name {
            "sp" | "graphicFrame" => self.next_shape(),
            "ph" => self.shape.place = place(attribute(element, "type").as_deref()),
            "br" => self.paragraph.push('\n'),
            // Skipped: slide numbers, and properties, which contain tab stops and bullets but no text.
            "fld" if attribute(element, "type").is_some_and(|kind| kind == "slidenum") => reader.skip()?,
            "pPr" | "rPr" | "endParaRPr" | "lstStyle" => reader.skip()?,
            "tbl" => self.table = Some(OpenTable::default()),
            "tblPr" if let Some(table) = &mut self.table => table.has_header = is_set(element, "firstRow"),
            "tc" => self.open_cell(element)?,
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), Error> {
        self.is_text = false;
        match name {
            "p" => {
                let text = std::mem::take(&mut self.paragraph);
                if text.trim().is_empty() {
                    return Ok(());
                }
                match self.table.as_mut().and_then(|table| table.cell.as_mut()) {
                    Some(cell) => {
                        cell.push(' ');
                        cell.push_str(&text);
                    }
                    None => self.shape.contents.push((BlockKind::Paragraph, text)),
                }
            }
            "tc" if let Some(table) = &mut self.table => table.close_cell(),
            "tr" if let Some(line) = self.table.as_mut().and_then(OpenTable::close_row) => {
                self.gathered += line.len();
                Error::if_over("bytes of text", self.gathered, self.limits.text_bytes)?;
                self.shape.contents.push((BlockKind::TableRow, line));
            }
            "tbl" if let Some(table) = self.table.take() => {
                let rows = table.rows.finish().into_iter();
                self.shape.contents.extend(rows.map(|row| (BlockKind::TableRow, row)));
            }
            "sp" | "graphicFrame" => self.next_shape(),
            _ => {}
        }
        Ok(())
    }

    fn next_shape(&mut self) {
        let shape = std::mem::take(&mut self.shape);
        if !shape.contents.is_empty() {
            self.shapes.push(shape);
        }
    }

    fn open_cell(&mut self, element: &BytesStart<'_>) -> Result<(), Error> {
        *self.cells += 1;
        Error::if_over("cells", *self.cells, self.limits.cells)?;
        let Some(table) = &mut self.table else { return Ok(()) };
        Error::if_over("columns", table.column + 1, self.limits.columns)?;
        table.cell = Some(String::new());
        table.is_merged = is_set(element, "vMerge");
        Ok(())
    }
}

impl OpenTable {
    /// Each cell of a merged region is in the file, but only the first one has text.
    fn close_cell(&mut self) {
        let Some(text) = self.cell.take() else { return };
        let own = one_line(&text);
        let above = self.above.get(&self.column).filter(|_| self.is_merged);
        let text = above.cloned().unwrap_or(own);
        self.above.insert(self.column, text.clone());
        if !text.is_empty() {
            self.row.push((self.column, text));
        }
        self.column += 1;
    }

    fn close_row(&mut self) -> Option<String> {
        self.column = 0;
        let cells = std::mem::take(&mut self.row);
        if cells.is_empty() {
            return None;
        }
        let is_header = self.has_header && self.rows.is_empty() && cells.len() > 1;
        self.rows.row(cells, if is_header { RowRole::Header } else { RowRole::Unknown })
    }
}

fn is_set(element: &BytesStart<'_>, switch: &str) -> bool {
    matches!(attribute(element, switch).as_deref(), Some("1" | "true"))
}

/// A placeholder without a type contains the body of the slide.
fn place(kind: Option<&str>) -> Place {
    match kind {
        Some("title" | "ctrTitle") => Place::Title,
        Some("dt" | "ftr" | "hdr" | "sldNum" | "sldImg") => Place::Footer,
        Some("body" | "obj") | None => Place::Body,
        Some(_) => Place::Other,
    }
}
