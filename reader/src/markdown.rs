//! Markdown.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{
    BlockKind, Error, Extracted, ExtractedMetadata, Limits,
    blocks::{Blocks, one_line},
    encoding, html,
    table::{Cells, RowRole, Table},
};

pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let text = encoding::decode(bytes);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS;
    let (front, body) = text.split_at(front_matter_length(&text));
    let mut reader = Reader {
        blocks: Blocks::new(limits),
        limits,
        text: String::new(),
        html: String::new(),
        kind: BlockKind::Paragraph,
        lists: Vec::new(),
        label: String::new(),
        table: Table::default(),
        cells: Cells::new(),
    };
    for event in Parser::new_ext(body, options) {
        reader.event(event)?;
    }
    reader.flush()?;
    Ok(reader.blocks.finish(front_matter(front)))
}

struct Reader<'l> {
    blocks: Blocks,
    limits: &'l Limits,
    /// The text of the current block.
    text: String,
    /// The current block of HTML.
    html: String,
    kind: BlockKind,
    /// The next number of each open list, the innermost last; None if its items have no numbers.
    lists: Vec<Option<u64>>,
    /// The number before the first text of an item.
    label: String,
    table: Table,
    cells: Cells,
}

impl Reader<'_> {
    fn event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(tag) => self.end(tag)?,
            Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.text.push_str(&text);
            }
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self.text.push('\n'),
            Event::Rule => self.flush()?,
            Event::TaskListMarker(done) => self.text.push_str(if done { "[x] " } else { "[ ] " }),
            Event::Html(html) => self.html.push_str(&html),
            // Other tags inside a paragraph do not separate words.
            Event::InlineHtml(html) if is_line_break(&html) => self.text.push('\n'),
            Event::InlineHtml(_) | Event::FootnoteReference(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, tag: Tag) -> Result<(), Error> {
        match tag {
            Tag::Heading { level, .. } => self.open(BlockKind::Heading(level as u8))?,
            Tag::List(first) => {
                self.flush()?;
                self.lists.push(first);
            }
            Tag::Item => {
                self.open(BlockKind::ListItem)?;
                if let Some(Some(number)) = self.lists.last_mut() {
                    self.label = format!("{number}. ");
                    *number += 1;
                }
            }
            Tag::Paragraph if !self.lists.is_empty() => self.open(BlockKind::ListItem)?,
            Tag::Paragraph | Tag::FootnoteDefinition(_) | Tag::BlockQuote(_) | Tag::CodeBlock(_) => {
                self.open(BlockKind::Paragraph)?;
            }
            Tag::HtmlBlock | Tag::Table(_) => self.flush()?,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) -> Result<(), Error> {
        match tag {
            TagEnd::List(_) => {
                self.lists.pop();
                self.close()?;
            }
            TagEnd::Item => {
                self.close()?;
                self.label.clear();
            }
            TagEnd::TableCell => {
                let text = std::mem::take(&mut self.text);
                self.cells.push((self.cells.len(), one_line(&text)));
            }
            TagEnd::TableHead => self.row(RowRole::Header)?,
            TagEnd::TableRow => self.row(RowRole::Data)?,
            TagEnd::Table => {
                for line in std::mem::take(&mut self.table).finish() {
                    self.blocks.push(BlockKind::TableRow, &line, None)?;
                }
            }
            TagEnd::HtmlBlock => {
                for block in html::read_text(&std::mem::take(&mut self.html), self.limits)?.blocks {
                    self.blocks.push(block.kind, &block.text, None)?;
                }
            }
            TagEnd::Heading(_)
            | TagEnd::Paragraph
            | TagEnd::CodeBlock
            | TagEnd::BlockQuote(_)
            | TagEnd::FootnoteDefinition => self.close()?,
            _ => {}
        }
        Ok(())
    }

    fn row(&mut self, role: RowRole) -> Result<(), Error> {
        match self.table.row(std::mem::take(&mut self.cells), role) {
            Some(line) => self.blocks.push(BlockKind::TableRow, &line, None),
            None => Ok(()),
        }
    }

    fn open(&mut self, kind: BlockKind) -> Result<(), Error> {
        self.flush()?;
        self.kind = kind;
        Ok(())
    }

    /// Text that follows without a tag, as in a list without empty lines, belongs to the innermost list.
    fn close(&mut self) -> Result<(), Error> {
        self.open(if self.lists.is_empty() { BlockKind::Paragraph } else { BlockKind::ListItem })
    }

    fn flush(&mut self) -> Result<(), Error> {
        let mut text = std::mem::take(&mut self.text);
        if !text.trim().is_empty() {
            text.insert_str(0, &std::mem::take(&mut self.label));
        }
        self.blocks.push(self.kind, &text, None)
    }
}

fn is_line_break(html: &str) -> bool {
    html.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("<br"))
}

/// Returns the length of the front matter: the fields between two lines `---` at the beginning of the text. Elsewhere,
/// such a line is a rule between paragraphs.
fn front_matter_length(text: &str) -> usize {
    let mut length = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        length += line.len();
        match (index, line.trim_end()) {
            (0, "---") => {}
            (1, first) if first.contains(':') => {}
            (0 | 1, _) => break,
            (_, "---" | "...") => return length,
            _ => {}
        }
    }
    0
}

/// Reads the lines "title: …", "author: …" and "date: …" of the front matter.
fn front_matter(text: &str) -> ExtractedMetadata {
    let mut metadata = ExtractedMetadata::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        match name.trim().to_lowercase().as_str() {
            "title" | "título" | "titulo" => metadata.title = value.to_owned(),
            "author" | "autor" => metadata.author = value.to_owned(),
            "date" | "fecha" => metadata.date = schemas::metadata::parse_date(value),
            _ => {}
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::BlockKind::{Heading, ListItem, Paragraph, TableRow};
    use super::*;

    #[test]
    fn the_structure_is_kept() {
        let text = "---\ntitle: \"Acta 12\"\nfecha: 2026-03-01\n---\n# Acta\n\nUn *párrafo*\nlargo con `código`.\n\n## Puntos\n\n\
                    - uno\n  - dentro\n- dos\n\n| Sala | Área |\n|---|---|\n| A | 20 |\n\n<b>no</b>\n\n```\nx\ny\n```\n";
        let extracted = read(text.as_bytes(), &Limits::default()).unwrap();
        let blocks: Vec<_> = extracted.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
        assert_eq!(
            blocks,
            [
                (Heading(1), "Acta"),
                (Paragraph, "Un párrafo largo con código."),
                (Heading(2), "Puntos"),
                (ListItem, "uno"),
                (ListItem, "dentro"),
                (ListItem, "dos"),
                (TableRow, "Sala: A; Área: 20"),
                (Paragraph, "no"),
                (Paragraph, "x\ny"),
            ]
        );
        assert_eq!(extracted.metadata.title, "Acta 12");
        assert_eq!(extracted.metadata.date.unwrap().to_rfc3339(), "2026-03-01T00:00:00+00:00");
    }

    #[test]
    fn html_is_read() {
        let text = "# Acta\n\n<p align=center>Obra\n<b>Andamar</b></p>\n\nuno<br>dos<BR/>tres\n\n\
                    <table>\n<tr><th>Sala</th><th>Área</th></tr>\n<tr><td>A</td><td>20</td></tr>\n</table>\n\n\
                    <details>\n<summary>Más</summary>\n\n- *punto*\n\n</details>\n\n<!-- no -->\n\n| a | b |\n|-|-|\n| x<br>y | z |\n";
        let extracted = read(text.as_bytes(), &Limits::default()).unwrap();
        let blocks: Vec<_> = extracted.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
        assert_eq!(
            blocks,
            [
                (Heading(1), "Acta"),
                (Paragraph, "Obra Andamar"),
                (Paragraph, "uno\ndos\ntres"),
                (TableRow, "Sala: A; Área: 20"),
                (Paragraph, "Más"),
                (ListItem, "punto"),
                (TableRow, "a: x y; b: z"),
            ]
        );
    }

    #[test]
    fn text_between_rules_and_text_of_an_item_below_its_heading_are_kept() {
        for (text, expected) in [
            ("---\nuno\n\n---\ndos\n", [(Paragraph, "uno"), (Paragraph, "dos")]),
            ("uno\n\n---\nautor: dos\n\n---\n", [(Paragraph, "uno"), (Paragraph, "autor: dos")]),
            ("- # uno\n  dos\n", [(Heading(1), "uno"), (ListItem, "dos")]),
        ] {
            let extracted = read(text.as_bytes(), &Limits::default()).unwrap();
            let blocks: Vec<_> =
                extracted.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
            assert_eq!(blocks, expected, "{text}");
            assert_eq!(extracted.metadata.author, "");
        }
    }

    #[test]
    fn items_keep_their_numbers() {
        for (text, expected) in [
            ("3. uno\n4. dos\n   - punto\n", &["3. uno", "4. dos", "punto"][..]),
            ("1) uno\n\n   sigue\n\n2) # dos\n", &["1. uno", "sigue", "2. dos"]),
            ("1.\n\nfin\n", &["fin"]),
        ] {
            let extracted = read(text.as_bytes(), &Limits::default()).unwrap();
            let texts: Vec<&str> = extracted.blocks.iter().map(|block| block.text.as_str()).collect();
            assert_eq!(texts, expected, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_read() {
        for unit in ["> ", "- ", "[", "*", "`", "<b>", "  - "] {
            read(unit.repeat(20_000).as_bytes(), &Limits::default()).unwrap();
        }
    }
}
