//! What is done with the content of paragraphs and cells once it is read.

use super::{
    super::{
        paragraph::{Paragraph, Run},
        table::{Container, Row},
    },
    Walker,
};
use crate::{Block, BlockKind, Error};

impl Walker<'_> {
    pub(super) fn add(&mut self, text: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.add(text, self.pages.now.page);
            if !text.trim().is_empty() {
                self.pages.now.fresh = false;
            }
        }
    }

    /// Ends the block at a page break inside a paragraph, so that each block has its own page. Text boxes and notes
    /// still follow the whole paragraph: here they would stand inside a sentence that goes on after the break.
    pub(super) fn end_block(&mut self) -> Result<(), Error> {
        let has_text = |paragraph: &mut Paragraph| !paragraph.text.trim().is_empty();
        let Some(mut paragraph) = self.paragraphs.pop_if(has_text) else { return Ok(()) };
        let delivered = self.deliver_text(&mut paragraph);
        // The rest of a list item is not another item.
        paragraph.properties.numbering = Some("0".to_owned());
        paragraph.page = None;
        self.paragraphs.push(paragraph);
        delivered
    }

    pub(super) fn deliver_paragraph(&mut self, mut paragraph: Paragraph) -> Result<(), Error> {
        self.deliver_text(&mut paragraph)?;
        self.deliver(paragraph.boxes)?;
        for (key, page) in paragraph.notes {
            // A comment is not part of a cell's value.
            if key.starts_with("comment ") && !self.tables.is_empty() {
                self.comments.push((key, page));
            } else {
                self.deliver_note(&key, page)?;
            }
        }
        Ok(())
    }

    fn deliver_text(&mut self, paragraph: &mut Paragraph) -> Result<(), Error> {
        if let Some(container) = self.containers.last_mut() {
            container.has_bold |= paragraph.has_bold;
            container.has_plain |= paragraph.has_plain;
        }
        let page = paragraph.page.unwrap_or(self.pages.now.page);
        // A cell is one value, and half a heading names nothing.
        let is_divided = self.tables.is_empty() && !paragraph.is_heading(self.styles);
        let later = if is_divided { paragraph.split_off_pages() } else { Vec::new() };
        let Some((kind, text)) = paragraph.finish(self.styles, self.numbering) else { return Ok(()) };
        let mut blocks = vec![Block { kind, text, page: Some(page) }];
        blocks.extend(later);
        self.deliver(blocks)
    }

    pub(super) fn deliver_note(&mut self, key: &str, page: u32) -> Result<(), Error> {
        let Some(text) = self.notes.get(key).filter(|text| !text.is_empty()) else { return Ok(()) };
        self.deliver(vec![Block { kind: BlockKind::Paragraph, text: text.clone(), page: Some(page) }])
    }

    pub(super) fn open_cell(&mut self) -> Result<(), Error> {
        self.cell_count += 1;
        Error::if_over("cells", self.cell_count, self.limits.cells)?;
        let most_columns = self.limits.columns;
        if let Some(row) = self.row() {
            Error::if_over("columns", row.cells.len() + 1, most_columns)?;
            self.pages.now = row.begins;
        }
        self.containers.push(Container::default());
        Ok(())
    }

    pub(super) fn close_cell(&mut self) {
        let Some(cell) = self.containers.pop() else { return };
        let position = self.pages.now;
        if let Some(row) = self.row() {
            row.ends = row.ends.max(position);
            row.cells.push(cell);
        }
    }

    /// The current row of the innermost table.
    pub(super) fn row(&mut self) -> Option<&mut Row> {
        self.tables.last_mut()?.row.as_mut()
    }

    pub(super) fn set_run(&mut self, run: Run) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.run = run;
        }
    }

    pub(super) fn deliver(&mut self, blocks: Vec<Block>) -> Result<(), Error> {
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
