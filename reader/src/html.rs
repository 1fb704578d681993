//! HTML: the visible text, without navigation, scripts and styles.

mod table;
mod tree;

use ego_tree::{
    NodeId,
    iter::{Edge, Traverse},
};
use scraper::{ElementRef, Html, Node, node::Element};

use super::{
    BlockKind, Error, Extracted, ExtractedMetadata, Limits, blocks::Blocks, encoding, text::is_power,
};

pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    read_text(&encoding::decode(bytes), limits)
}

/// Also used for the HTML body of a mail.
pub(super) fn read_text(text: &str, limits: &Limits) -> Result<Extracted, Error> {
    let document = tree::parse(text, limits)?;
    let mut reader = Reader {
        blocks: Blocks::new(limits),
        limits,
        text: String::new(),
        kind: vec![BlockKind::Paragraph],
        preformatted: 0,
        is_raised: false,
    };
    reader.walk(document.root_element())?;
    Ok(reader.blocks.finish(metadata(&document)))
}

struct Reader<'a> {
    blocks: Blocks,
    limits: &'a Limits,
    /// The text of the current block.
    text: String,
    /// The kinds of the open blocks, the innermost last.
    kind: Vec<BlockKind>,
    /// The number of open elements in which line breaks count (`pre`).
    preformatted: usize,
    /// Whether a raised text begins here.
    is_raised: bool,
}

impl Reader<'_> {
    /// Walks the tree without recursion, because the file determines its depth.
    fn walk(&mut self, root: ElementRef) -> Result<(), Error> {
        let mut edges = root.traverse();
        while let Some(edge) = edges.next() {
            match edge {
                Edge::Open(node) => match node.value() {
                    Node::Text(text) => self.add(text),
                    Node::Element(element) if is_dropped(element) => pass_over(&mut edges, node.id()),
                    Node::Element(element) => {
                        if let Some(table) = ElementRef::wrap(node).filter(|_| element.name() == "table")
                            && let Some((caption, rows)) = table::lines(table, self.limits)?
                        {
                            self.flush()?;
                            self.blocks.push(BlockKind::Paragraph, &caption, None)?;
                            for row in rows {
                                self.blocks.push(BlockKind::TableRow, &row, None)?;
                            }
                            pass_over(&mut edges, node.id());
                        } else {
                            self.open(element.name())?;
                        }
                    }
                    _ => {}
                },
                Edge::Close(node) => {
                    self.is_raised = false;
                    if let Node::Element(element) = node.value() {
                        self.close(element.name())?;
                    }
                }
            }
        }
        self.flush()
    }

    /// A line break in the source is a space, except in preformatted text.
    fn add(&mut self, text: &str) {
        if self.is_raised && is_power(&self.text, text) {
            self.text.push('^');
        }
        if self.preformatted > 0 {
            self.text.push_str(text);
        } else {
            self.text.extend(text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }));
        }
    }

    fn open(&mut self, name: &str) -> Result<(), Error> {
        if name == "br" {
            self.text.push('\n');
        } else if is_block(name) {
            self.flush()?;
        }
        self.is_raised |= name == "sup";
        self.preformatted += usize::from(name == "pre");
        if let Some(kind) = kind_of(name) {
            self.kind.push(kind);
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), Error> {
        if is_block(name) {
            self.flush()?;
        }
        self.preformatted -= usize::from(name == "pre");
        if kind_of(name).is_some() {
            self.kind.pop();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let text = std::mem::take(&mut self.text);
        let kind = self.kind.last().copied().unwrap_or(BlockKind::Paragraph);
        self.blocks.push(kind, &text, None)
    }
}

/// Skips to the end of an element.
fn pass_over(edges: &mut Traverse<'_, Node>, element: NodeId) {
    edges.find(|edge| matches!(edge, Edge::Close(node) if node.id() == element));
}

fn kind_of(name: &str) -> Option<BlockKind> {
    match name.as_bytes() {
        [b'h', level @ b'1'..=b'6'] => Some(BlockKind::Heading(level - b'0')),
        b"li" => Some(BlockKind::ListItem),
        _ => None,
    }
}

/// Whether an element is ignored: code, styles, navigation, form controls and hidden content.
fn is_dropped(element: &Element) -> bool {
    const DROPPED: [&str; 17] = [
        "script", "style", "nav", "noscript", "template", "svg", "head", "iframe", "object", "embed",
        "canvas", "audio", "video", "select", "button", "input", "textarea",
    ];
    DROPPED.contains(&element.name())
        || element.attr("hidden").is_some()
        || element
            .attr("style")
            .is_some_and(|style| style.replace(' ', "").to_lowercase().contains("display:none"))
}

fn is_block(name: &str) -> bool {
    const BLOCKS: &str = "address article aside blockquote body caption center dd details div dl dt fieldset \
        figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html li main ol p pre section summary table tbody \
        td tfoot th thead tr ul";
    BLOCKS.split(' ').any(|block| block == name)
}

fn metadata(document: &Html) -> ExtractedMetadata {
    let mut metadata = ExtractedMetadata::default();
    for element in document.root_element().descendants().filter_map(ElementRef::wrap) {
        let content = element.value().attr("content").unwrap_or_default();
        match (element.value().name(), element.value().attr("name").map(str::to_lowercase).as_deref()) {
            ("title", _) if metadata.title.is_empty() => metadata.title = element.text().collect(),
            ("meta", Some("author")) => metadata.author = content.to_owned(),
            ("meta", Some("date" | "dcterms.date" | "dc.date")) => {
                metadata.date = schemas::metadata::parse_date(content);
            }
            ("body", _) => break,
            _ => {}
        }
    }
    metadata
}

#[cfg(test)]
mod tests;
