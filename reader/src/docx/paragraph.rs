//! A paragraph that is being read, and the properties that decide its kind.

use analysis::sentences;

use super::{
    numbering::Numbering,
    styles::{Role, Styles},
};
use crate::{
    Block, BlockKind, Error,
    text::is_power,
    xml::{self, Xml, is_on},
};

#[derive(Debug, Default)]
pub struct Paragraph {
    pub text: String,
    /// The page of the paragraph's first text.
    pub page: Option<u32>,
    /// The pages that begin inside the paragraph, each with the length of the text before it.
    pub pages: Vec<(usize, u32)>,
    /// The content of text boxes that are anchored in this paragraph.
    pub boxes: Vec<Block>,
    /// The keys of footnotes, endnotes, comments and diagrams that the paragraph refers to, each with the page of the
    /// reference.
    pub notes: Vec<(String, u32)>,
    /// The properties of the current run.
    pub run: Run,
    pub properties: Properties,
    pub has_bold: bool,
    pub has_plain: bool,
    /// Whether the last text is raised.
    is_raised: bool,
}

#[derive(Debug, Default)]
pub struct Run {
    pub hidden: bool,
    pub bold: bool,
    pub raised: bool,
}

#[derive(Debug, Default)]
pub struct Properties {
    pub page_break_before: bool,
    /// Whether a tracked change deleted the end of the paragraph or moved it away.
    is_deleted: bool,
    style: String,
    outline: Option<u8>,
    pub numbering: Option<String>,
    numbering_level: Option<usize>,
}

impl Paragraph {
    pub fn add(&mut self, text: &str, page: u32) {
        if self.run.hidden {
            return;
        }
        if !text.trim().is_empty() {
            self.page.get_or_insert(page);
            *(if self.run.bold { &mut self.has_bold } else { &mut self.has_plain }) = true;
        }
        if self.run.raised && !self.is_raised && is_power(&self.text, text) {
            self.text.push('^');
        }
        self.is_raised = self.run.raised;
        self.text.push_str(text);
    }

    pub fn is_heading(&self, styles: &Styles) -> bool {
        matches!(self.properties.role(styles), Role::Heading(_))
    }

    /// Removes the sentences that begin on later pages, and returns them for each page.
    pub fn split_off_pages(&mut self) -> Vec<Block> {
        let pages = std::mem::take(&mut self.pages);
        let sentences = if pages.is_empty() { Vec::new() } else { sentences::spans(&self.text) };
        let mut later = Vec::new();
        for (length, page) in pages.into_iter().rev().filter(|(_, page)| Some(*page) > self.page) {
            let next = sentences.partition_point(|sentence| sentence.start < length);
            if let Some(sentence) = sentences.get(next).filter(|next| next.start < self.text.len()) {
                let text = self.text.split_off(sentence.start);
                later.push(Block { kind: BlockKind::Paragraph, text, page: Some(page) });
            }
        }
        later.reverse();
        later
    }

    /// Returns the kind and text of the paragraph; None if it has no text or belongs to a table of contents.
    pub fn finish(&mut self, styles: &Styles, numbering: &mut Numbering) -> Option<(BlockKind, String)> {
        let role = self.properties.role(styles);
        let list = self.properties.list(styles, numbering);
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        // Word also numbers empty paragraphs, but not those that are deleted.
        let numbered = list.as_ref().filter(|_| !(text.is_empty() && self.properties.is_deleted));
        let label = numbered.and_then(|(list, level)| numbering.next(list, *level));
        if text.is_empty() || role == Role::Contents {
            return None;
        }
        let kind = match role {
            Role::Heading(level) => BlockKind::Heading(level),
            Role::Contents | Role::Text if list.is_some() => BlockKind::ListItem,
            Role::Contents | Role::Text => BlockKind::Paragraph,
        };
        let text = label.map_or_else(|| text.to_owned(), |label| format!("{label} {text}"));
        Some((kind, text))
    }
}

impl Run {
    pub fn read(reader: &mut Xml<'_>) -> Result<Self, Error> {
        let mut run = Self::default();
        reader.properties(&["rPrChange"], |name, element| match name {
            "b" => run.bold = is_on(element),
            "vanish" => run.hidden = is_on(element),
            "vertAlign" => run.raised = xml::value(element) == "superscript",
            _ => {}
        })?;
        Ok(run)
    }
}

impl Properties {
    pub fn read(reader: &mut Xml<'_>) -> Result<Self, Error> {
        // The properties before a tracked change, and the properties of sections.
        const SKIPPED: [&str; 4] = ["pPrChange", "rPrChange", "sectPr", "numberingChange"];
        let mut properties = Self::default();
        reader.properties(&SKIPPED, |name, element| match name {
            "pStyle" => properties.style = xml::value(element),
            "outlineLvl" => properties.outline = xml::value(element).parse().ok(),
            "numId" => properties.numbering = Some(xml::value(element)),
            "ilvl" => properties.numbering_level = xml::value(element).parse().ok(),
            "pageBreakBefore" => properties.page_break_before = is_on(element),
            "del" | "moveFrom" => properties.is_deleted = true,
            _ => {}
        })?;
        Ok(properties)
    }

    fn role(&self, styles: &Styles) -> Role {
        match self.outline {
            Some(level @ 0..=8) => Role::Heading(level + 1),
            _ => styles.role(&self.style),
        }
    }

    /// Returns the list and level of the paragraph. List 0 removes the paragraph from the list of its style.
    fn list(&self, styles: &Styles, numbering: &Numbering) -> Option<(String, usize)> {
        let (list, level) = match &self.numbering {
            Some(list) => (list.clone(), None),
            None => {
                let (list, level) = styles.numbering(&self.style)?;
                let level = numbering.level_of_style(&list, &self.style).or(level);
                (list, level)
            }
        };
        (list != "0").then(|| (list, self.numbering_level.or(level).unwrap_or(0)))
    }
}
