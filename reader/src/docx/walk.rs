//! Reads a part of a document in reading order. Nested elements are kept on explicit stacks, not on the call stack.

use std::collections::HashMap;

use quick_xml::events::BytesStart;
use schemas::text::one_line;

use super::{
    super::{
        Block, BlockKind, Error, Limits,
        xml::{self, Node, Xml, attribute},
    },
    numbering::Numbering,
    pages::Pages,
    paragraph::{Paragraph, Properties, Run},
    styles::Styles,
    table::{Cell, Row, Table},
};

/// Footnotes and endnotes by their key (see `note_key`).
pub type Notes = HashMap<String, String>;

pub struct Document {
    pub blocks: Vec<Block>,
    /// None if the file records no pages.
    pub pages: Option<u32>,
}

pub struct Walker<'a> {
    styles: &'a Styles,
    numbering: &'a mut Numbering,
    notes: &'a Notes,
    limits: &'a Limits,
    pages: Pages,
    /// The containers that are open, the innermost last: the document, a text box, a cell or a note.
    containers: Vec<Container>,
    paragraphs: Vec<Paragraph>,
    tables: Vec<Table>,
    cells: Vec<Cell>,
    /// For each open content control: whether it shows only its prompt.
    prompts: Vec<bool>,
    cell_count: usize,
    /// Bytes of text so far; repeated headers and merged cells count each time.
    gathered: usize,
}

#[derive(Default)]
struct Container {
    blocks: Vec<Block>,
    has_bold: bool,
    has_plain: bool,
}

impl<'a> Walker<'a> {
    pub fn new(
        styles: &'a Styles,
        numbering: &'a mut Numbering,
        notes: &'a Notes,
        limits: &'a Limits,
    ) -> Self {
        Self {
            styles,
            numbering,
            notes,
            limits,
            pages: Pages::new(limits),
            containers: vec![Container::default()],
            paragraphs: Vec::new(),
            tables: Vec::new(),
            cells: Vec::new(),
            prompts: Vec::new(),
            cell_count: 0,
            gathered: 0,
        }
    }

    pub fn document(mut self, part: &str) -> Result<Document, Error> {
        self.walk(part, &mut Notes::new())?;
        let blocks = self.containers.into_iter().flat_map(|container| container.blocks).collect();
        Ok(Document { blocks, pages: self.pages.count() })
    }

    /// Returns the notes in a part that contains notes.
    pub fn notes(mut self, part: &str) -> Result<Notes, Error> {
        let mut notes = Notes::new();
        self.walk(part, &mut notes)?;
        Ok(notes)
    }

    fn walk(&mut self, part: &str, notes: &mut Notes) -> Result<(), Error> {
        let mut reader = Xml::new(part, self.limits);
        let mut open_notes: Vec<String> = Vec::new();
        loop {
            match reader.next()? {
                Node::Open(element) => match xml::name(&element) {
                    kind @ ("footnote" | "endnote") => {
                        // Notes with a type other than `normal` are separator lines between text and notes.
                        if attribute(&element, "type").is_some_and(|kind| kind != "normal") {
                            reader.skip()?;
                        } else {
                            open_notes.push(note_key(kind, &element));
                            self.containers.push(Container::default());
                        }
                    }
                    _ => self.open(&element, &mut reader)?,
                },
                Node::Close(element) => match xml::closed_name(&element) {
                    "footnote" | "endnote" => {
                        if let (Some(key), Some(container)) = (open_notes.pop(), self.leave()) {
                            let texts: Vec<String> =
                                container.blocks.iter().map(|block| one_line(&block.text)).collect();
                            notes.insert(key, texts.join(" "));
                        }
                    }
                    name => self.close(name)?,
                },
                Node::Text(_) => {}
                Node::End => return Ok(()),
            }
        }
    }

    fn open(&mut self, element: &BytesStart<'_>, reader: &mut Xml<'_>) -> Result<(), Error> {
        match xml::name(element) {
            "p" => self.paragraphs.push(Paragraph::default()),
            "pPr" => {
                let properties = Properties::read(reader)?;
                if properties.page_break_before {
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
            // Parts of a formula: 10^-6, a/b.
            "sup" => self.add("^"),
            "den" => self.add("/"),
            "lastRenderedPageBreak" => self.pages.noted()?,
            kind @ ("footnoteReference" | "endnoteReference") => {
                let key = note_key(kind, element);
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    paragraph.notes.push(key);
                }
            }
            "tbl" => self.tables.push(Table::new()),
            "tblPr" => {
                if let Some(table) = self.tables.last_mut() {
                    table.properties(reader)?;
                }
            }
            "tr" => {
                let begins = self.pages.position();
                if let Some(table) = self.tables.last_mut() {
                    table.row = Some(Row::new(begins));
                }
            }
            "trPr" => {
                if let Some(row) = self.row() {
                    row.properties(reader)?;
                }
            }
            "tc" => self.open_cell()?,
            "tcPr" => {
                if let Some(cell) = self.cells.last_mut() {
                    cell.properties(reader)?;
                }
            }
            "txbxContent" => self.containers.push(Container::default()),
            "sdt" => self.prompts.push(false),
            "showingPlcHdr" => {
                if let Some(prompt) = self.prompts.last_mut() {
                    *prompt = true;
                }
            }
            "sdtContent" if self.prompts.last() == Some(&true) => reader.skip()?,
            // Skipped: text that a tracked change deleted or moved away, and elements that contain no text.
            "del" | "moveFrom" | "tabs" | "sectPr" | "tblGrid" | "tblPrEx" => reader.skip()?,
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), Error> {
        match name {
            "p" => self.close_paragraph()?,
            "r" => self.set_run(Run::default()),
            "tc" => self.close_cell(),
            "tr" => {
                let Some(table) = self.tables.last_mut() else { return Ok(()) };
                let Some(row) = table.row.take() else { return Ok(()) };
                self.pages.go_to(row.ends);
                let blocks = table.finish_row(row, self.styles, self.limits.columns)?;
                self.deliver(blocks)?;
            }
            "tbl" => {
                if let Some(table) = self.tables.pop() {
                    self.deliver(table.finish(self.pages.page()))?;
                }
            }
            "txbxContent" => {
                if let Some(container) = self.leave() {
                    match self.paragraphs.last_mut() {
                        Some(paragraph) => paragraph.boxes.extend(container.blocks),
                        None => self.deliver(container.blocks)?,
                    }
                }
            }
            "sdt" => {
                self.prompts.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, text: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.add(text, self.pages.page());
            if !text.trim().is_empty() {
                self.pages.text();
            }
        }
    }

    /// Ends the block at a page break inside a paragraph, so that each block has its own page.
    fn end_block(&mut self) -> Result<(), Error> {
        if self.paragraphs.last().is_none_or(|paragraph| paragraph.text.trim().is_empty()) {
            return Ok(());
        }
        let Some(mut paragraph) = self.paragraphs.pop() else { return Ok(()) };
        let delivered = self.deliver_paragraph(&mut paragraph);
        paragraph.goes_on();
        self.paragraphs.push(paragraph);
        delivered
    }

    fn close_paragraph(&mut self) -> Result<(), Error> {
        let Some(mut paragraph) = self.paragraphs.pop() else { return Ok(()) };
        self.deliver_paragraph(&mut paragraph)
    }

    fn deliver_paragraph(&mut self, paragraph: &mut Paragraph) -> Result<(), Error> {
        let page = Some(paragraph.page.unwrap_or(self.pages.page()));
        let mut blocks = Vec::new();
        if let Some((kind, text)) = paragraph.finish(self.styles, self.numbering) {
            blocks.push(Block { kind, text, page });
        }
        if let Some(container) = self.containers.last_mut() {
            container.has_bold |= paragraph.has_bold;
            container.has_plain |= paragraph.has_plain;
        }
        blocks.append(&mut paragraph.boxes);
        for key in std::mem::take(&mut paragraph.notes) {
            if let Some(text) = self.notes.get(&key).filter(|text| !text.is_empty()) {
                blocks.push(Block { kind: BlockKind::Paragraph, text: text.clone(), page });
            }
        }
        self.deliver(blocks)
    }

    fn open_cell(&mut self) -> Result<(), Error> {
        self.cell_count += 1;
        Error::if_over("cells", self.cell_count, self.limits.cells)?;
        let most_columns = self.limits.columns;
        if let Some(row) = self.row() {
            Error::if_over("columns", row.len() + 1, most_columns)?;
            let begins = row.begins;
            self.pages.go_to(begins);
        }
        self.cells.push(Cell::default());
        self.containers.push(Container::default());
        Ok(())
    }

    fn close_cell(&mut self) {
        let (Some(mut cell), Some(container)) = (self.cells.pop(), self.leave()) else { return };
        let position = self.pages.position();
        cell.fill(container.blocks, container.has_bold && !container.has_plain);
        if let Some(row) = self.row() {
            row.ends = row.ends.max(position);
            row.push(cell);
        }
    }

    /// The current row of the innermost table.
    fn row(&mut self) -> Option<&mut Row> {
        self.tables.last_mut()?.row.as_mut()
    }

    fn set_run(&mut self, run: Run) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.run = run;
        }
    }

    /// Closes the innermost container, but never the document itself.
    fn leave(&mut self) -> Option<Container> {
        if self.containers.len() > 1 { self.containers.pop() } else { None }
    }

    fn deliver(&mut self, blocks: Vec<Block>) -> Result<(), Error> {
        self.gathered += blocks.iter().map(|block| block.text.len()).sum::<usize>();
        // The text of a nested table is added here once for each level, so four times the limit is allowed.
        // `Blocks` counts the final text exactly.
        Error::if_over("bytes of text", self.gathered / 4, self.limits.text_bytes)?;
        if let Some(container) = self.containers.last_mut() {
            container.blocks.extend(blocks);
        }
        Ok(())
    }
}

/// The key of a note, such as `footnote 3`, from the note itself or from a reference to it.
fn note_key(kind: &str, element: &BytesStart<'_>) -> String {
    let kind = kind.trim_end_matches("Reference");
    format!("{kind} {}", attribute(element, "id").unwrap_or_default())
}
