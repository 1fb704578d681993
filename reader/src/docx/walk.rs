//! Reads a part of a document in reading order. Nested elements are kept on explicit stacks, not on the call stack.

mod gather;

use std::collections::HashMap;

use quick_xml::events::BytesStart;

use super::{
    numbering::Numbering,
    pages::Pages,
    paragraph::{Paragraph, Properties, Run},
    styles::Styles,
    symbol,
    table::{Container, Row, Table, joined},
};
use crate::{
    Block, Error, Limits,
    xml::{self, Node, Xml, attribute},
};

/// Footnotes, endnotes, comments and diagrams by their key (see `note_key` and `diagram_key`).
pub type Notes = HashMap<String, String>;

pub struct Document {
    pub blocks: Vec<Block>,
    /// None if the file records no pages.
    pub pages: Option<u32>,
    /// The notes, if the part contains notes.
    pub notes: Notes,
}

/// Reads a part: the text, a header or footer, or the notes.
pub fn read(
    part: &str,
    styles: &Styles,
    numbering: &mut Numbering,
    notes: &Notes,
    limits: &Limits,
) -> Result<Document, Error> {
    let mut walker = Walker {
        styles,
        numbering,
        notes,
        limits,
        pages: Pages::new(limits),
        has_begun: false,
        containers: vec![Container::default()],
        paragraphs: Vec::new(),
        tables: Vec::new(),
        comments: Vec::new(),
        open_notes: Vec::new(),
        read_notes: Notes::new(),
        is_prompt: false,
        cell_count: 0,
        gathered: 0,
    };
    let mut reader = Xml::new(part, limits);
    loop {
        match reader.next()? {
            Node::Open(element) => walker.open(&element, &mut reader)?,
            Node::Close(element) => walker.close(xml::closed_name(&element))?,
            Node::Text(_) => {}
            Node::End => break,
        }
    }
    let blocks = walker.containers.into_iter().flat_map(|container| container.blocks).collect();
    Ok(Document { blocks, pages: walker.pages.count(), notes: walker.read_notes })
}

struct Walker<'a> {
    styles: &'a Styles,
    numbering: &'a mut Numbering,
    notes: &'a Notes,
    limits: &'a Limits,
    pages: Pages,
    /// Whether a paragraph has ended. A page break before the first one begins no other page.
    has_begun: bool,
    /// The containers that are open, the innermost last: the document, a text box, a cell or a note.
    containers: Vec<Container>,
    paragraphs: Vec<Paragraph>,
    tables: Vec<Table>,
    /// The keys of comments on the cells of the open table, which follow it, each with its page.
    comments: Vec<(String, u32)>,
    /// The key and author of each open note.
    open_notes: Vec<(String, String)>,
    read_notes: Notes,
    /// Whether the content control whose properties were read last shows only its prompt.
    is_prompt: bool,
    cell_count: usize,
    /// Bytes of text so far; repeated headers and merged cells count each time.
    gathered: usize,
}

impl Walker<'_> {
    fn open(&mut self, element: &BytesStart<'_>, reader: &mut Xml<'_>) -> Result<(), Error> {
        match xml::name(element) {
            kind @ ("footnote" | "endnote" | "comment") => {
                // Notes with a type other than `normal` are separator lines between text and notes.
                if attribute(element, "type").is_some_and(|kind| kind != "normal") {
                    return reader.skip();
                }
                let author = attribute(element, "author").unwrap_or_default();
                self.open_notes.push((note_key(kind, element), author));
                self.containers.push(Container::default());
            }
            "p" => self.paragraphs.push(Paragraph::default()),
            "pPr" => {
                let properties = Properties::read(reader)?;
                if properties.page_break_before && self.has_begun {
                    self.pages.made()?;
                }
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    paragraph.properties = properties;
                }
            }
            "r" => self.set_run(Run::default()),
            "rPr" => {
                let run = Run::read(reader)?;
                self.set_run(run);
            }
            "t" => {
                let text = reader.text()?;
                self.add(&text);
            }
            "tab" | "ptab" => self.add(" "),
            "br" if attribute(element, "type").as_deref() == Some("page") => {
                self.end_block()?;
                self.pages.made()?;
            }
            "br" | "cr" => self.add("\n"),
            "noBreakHyphen" => self.add("-"),
            "sym" => {
                let value = |name| attribute(element, name).unwrap_or_default();
                if let Some(symbol) = symbol::character(&value("font"), &value("char")) {
                    self.add(symbol.encode_utf8(&mut [0; 4]));
                }
            }
            // Parts of a formula: 10^-6, a/b.
            "sup" => self.add("^"),
            "den" => self.add("/"),
            "lastRenderedPageBreak" => {
                self.pages.noted()?;
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    paragraph.pages.push((paragraph.text.len(), self.pages.now.page));
                }
            }
            kind @ ("footnoteReference" | "endnoteReference" | "commentReference")
                if let Some(paragraph) = self.paragraphs.last_mut() =>
            {
                paragraph.notes.push((note_key(kind, element), self.pages.now.page));
            }
            "relIds" if let Some(paragraph) = self.paragraphs.last_mut() => {
                let key = diagram_key(&attribute(element, "dm").unwrap_or_default());
                paragraph.notes.push((key, self.pages.now.page));
            }
            "tbl" => self.tables.push(Table::default()),
            "tblPr" if let Some(table) = self.tables.last_mut() => table.properties(reader)?,
            "tr" if let Some(table) = self.tables.last_mut() => table.row = Some(Row::new(self.pages.now)),
            "trPr" if let Some(row) = self.row() => row.properties(reader)?,
            "tc" => self.open_cell()?,
            "tcPr" if let Some(cell) = self.containers.last_mut() => cell.properties(reader)?,
            "txbxContent" => self.containers.push(Container::default()),
            "sdt" => self.is_prompt = false,
            "showingPlcHdr" => self.is_prompt = true,
            "sdtContent" if self.is_prompt => reader.skip()?,
            // Skipped: text that a tracked change deleted or moved away, and elements that contain no text.
            "del" | "moveFrom" | "tabs" | "sectPr" | "tblGrid" | "tblPrEx" => reader.skip()?,
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), Error> {
        match name {
            "footnote" | "endnote" | "comment" => {
                if let (Some((key, author)), Some(note)) = (self.open_notes.pop(), self.containers.pop()) {
                    let text = joined(&note.blocks);
                    // Only comments have an author. They are not what the document says.
                    let is_plain = author.is_empty() || text.is_empty();
                    self.read_notes.insert(key, if is_plain { text } else { format!("{author}: {text}") });
                }
            }
            "p" if let Some(paragraph) = self.paragraphs.pop() => {
                self.has_begun = true;
                self.deliver_paragraph(paragraph)?;
            }
            "r" => self.set_run(Run::default()),
            "tc" => self.close_cell(),
            "tr" => {
                let Some(table) = self.tables.last_mut() else { return Ok(()) };
                let Some(row) = table.row.take() else { return Ok(()) };
                self.pages.now = row.ends;
                let blocks = table.finish_row(row, self.styles, self.limits.columns)?;
                self.deliver(blocks)?;
            }
            "tbl" => {
                if let Some(table) = self.tables.pop() {
                    self.deliver(table.finish(self.pages.now.page))?;
                }
                if self.tables.is_empty() {
                    for (key, page) in std::mem::take(&mut self.comments) {
                        self.deliver_note(&key, page)?;
                    }
                }
            }
            "txbxContent" if let Some(text_box) = self.containers.pop() => match self.paragraphs.last_mut() {
                Some(paragraph) => paragraph.boxes.extend(text_box.blocks),
                None => self.deliver(text_box.blocks)?,
            },
            _ => {}
        }
        Ok(())
    }
}

/// The key of a diagram, from the id of the relationship to its part.
pub fn diagram_key(id: &str) -> String {
    format!("diagram {id}")
}

/// The key of a note, such as `footnote 3`, from the note itself or from a reference to it.
fn note_key(kind: &str, element: &BytesStart<'_>) -> String {
    let kind = kind.trim_end_matches("Reference");
    format!("{kind} {}", attribute(element, "id").unwrap_or_default())
}
