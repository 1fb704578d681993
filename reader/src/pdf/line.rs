//! Joins characters with positions into lines with cells.

use std::collections::BTreeMap;

use pdfium_render::prelude::{
    PdfFontWeight, PdfPage, PdfPageRenderRotation, PdfPageText, PdfPageTextChar, PdfRect,
};

/// A line of a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// The texts of the line: more than one if wide gaps divide the line, as in a table.
    pub cells: Vec<String>,
    /// The left and right end of each cell, in points.
    pub spans: Vec<(f32, f32)>,
    pub left: f32,
    pub right: f32,
    pub bottom: f32,
    pub top: f32,
    /// The font size of most characters, in points.
    pub size: f32,
    pub bold: bool,
}

impl Line {
    pub fn letters(&self) -> usize {
        self.cells.iter().flat_map(|cell| cell.chars()).filter(|c| c.is_alphanumeric()).count()
    }

    pub fn text(&self) -> String {
        self.cells.join(" ")
    }

    pub fn is_row(&self) -> bool {
        self.cells.len() > 1
    }
}

/// Two words are different cells if the gap between them is more than this many times the font size.
const CELL_GAP: f32 = 1.8;

/// Turns positions as the page is turned for its readers: PDFium returns them as they are in the file, but the size of
/// the page as it is shown.
pub(super) struct Turn {
    rotation: PdfPageRenderRotation,
    width: f32,
    height: f32,
}

/// A box on the page as it is shown.
struct Bounds {
    left: f32,
    right: f32,
    bottom: f32,
    top: f32,
}

impl Turn {
    pub fn of(page: &PdfPage) -> Self {
        Self {
            rotation: page.rotation().unwrap_or(PdfPageRenderRotation::None),
            width: page.width().value,
            height: page.height().value,
        }
    }

    /// Whether a line is in an area of the page, at least in part.
    pub fn is_inside(&self, line: &Line, area: &PdfRect) -> bool {
        let area = self.apply(area);
        let middle = f32::midpoint(line.bottom, line.top);
        (area.bottom..=area.top).contains(&middle) && line.left < area.right && line.right > area.left
    }

    fn apply(&self, bounds: &PdfRect) -> Bounds {
        let (left, right) = (bounds.left().value, bounds.right().value);
        let (bottom, top) = (bounds.bottom().value, bounds.top().value);
        let (width, height) = (self.width, self.height);
        let (left, right, bottom, top) = match self.rotation {
            PdfPageRenderRotation::None => (left, right, bottom, top),
            PdfPageRenderRotation::Degrees90 => (bottom, top, height - right, height - left),
            PdfPageRenderRotation::Degrees180 => (width - right, width - left, height - top, height - bottom),
            PdfPageRenderRotation::Degrees270 => (width - top, width - bottom, left, right),
        };
        Bounds { left, right, bottom, top }
    }
}

/// Returns the lines of a page in the order in which the program that made the PDF wrote them.
pub(super) fn lines(text: &PdfPageText, turn: &Turn) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut builder = Builder::default();
    for char in text.chars().iter() {
        match char.unicode_char() {
            // PDFium inserts a line end where a line ends visually.
            Some('\n' | '\r') => lines.extend(std::mem::take(&mut builder).finish()),
            // PDFium's marks for a hyphen that divides a word; no line end follows them.
            Some('\u{2}' | '\u{fffe}') => {
                builder.cell.push('-');
                lines.extend(std::mem::take(&mut builder).finish());
            }
            Some('\0') | None => {}
            Some(c) => lines.extend(builder.add(c, &char, turn)),
        }
    }
    lines.extend(builder.finish());
    lines
}

#[derive(Default)]
struct Builder {
    line: Line,
    cell: String,
    space: bool,
    /// The font sizes of the characters, in half points, each with its number of characters.
    sizes: BTreeMap<i32, usize>,
    letters: usize,
    /// How many of the first letters are bold.
    bold: usize,
}

impl Builder {
    /// Adds a character. If it begins another line, the line before it is returned.
    fn add(&mut self, c: char, char: &PdfPageTextChar, turn: &Turn) -> Option<Line> {
        if c.is_whitespace() {
            self.space = true;
            return None;
        }
        let size = font_size(char);
        let bounds = char.loose_bounds().ok().map(|bounds| turn.apply(&bounds));
        let begins = bounds.as_ref().is_some_and(|bounds| self.is_left_by(bounds, size));
        let ended = begins.then(|| std::mem::take(self).finish()).flatten();
        *self.sizes.entry((size * 2.0).round() as i32).or_default() += 1;
        self.letters += 1;
        // The font weight is read for a few characters only, because reading it is expensive.
        self.bold += usize::from(self.letters <= 3 && is_bold(char));
        if let Some(Bounds { left, right, bottom, top }) = bounds {
            if self.line.spans.is_empty() {
                self.line = Line { left, right, bottom, top, ..Line::default() };
            } else if left - self.line.right > CELL_GAP * size.max(4.0) && !self.cell.is_empty() {
                self.line.cells.push(std::mem::take(&mut self.cell));
                self.space = false;
            }
            match self.line.spans.get_mut(self.line.cells.len()) {
                Some((_, end)) => *end = end.max(right),
                None => self.line.spans.push((left, right)),
            }
            self.line.left = self.line.left.min(left);
            self.line.right = self.line.right.max(right);
            self.line.bottom = self.line.bottom.min(bottom);
            self.line.top = self.line.top.max(top);
        }
        if std::mem::take(&mut self.space) && !self.cell.is_empty() {
            self.cell.push(' ');
        }
        self.cell.push(c);
        ended
    }

    /// Whether a character is above or below the line, and far to the left of its end. PDFium inserts no line end before
    /// a short first cell such as "1". The characters of a vertical text go back by less than that.
    fn is_left_by(&self, bounds: &Bounds, size: f32) -> bool {
        let middle = f32::midpoint(bounds.bottom, bounds.top);
        !self.line.spans.is_empty()
            && !(self.line.bottom..=self.line.top).contains(&middle)
            && self.line.right - bounds.left > 2.0 * size.max(4.0)
    }

    fn finish(mut self) -> Option<Line> {
        if !self.cell.is_empty() {
            self.line.cells.push(self.cell);
        }
        if self.line.cells.is_empty() {
            return None;
        }
        let main = self.sizes.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(size, _)| size);
        self.line.size = main as f32 / 2.0;
        self.line.bold = self.letters > 0 && self.bold == self.letters.min(3);
        Some(self.line)
    }
}

/// Returns the font size as it is shown, also of text that is turned: PDFium's scaled size is then 0.
fn font_size(char: &PdfPageTextChar) -> f32 {
    let scale = char.matrix().map_or(0.0, |matrix| matrix.c().hypot(matrix.d()));
    char.unscaled_font_size().value.abs() * scale
}

fn is_bold(char: &PdfPageTextChar) -> bool {
    use PdfFontWeight::{Custom, Weight700Bold, Weight800, Weight900};
    let heavy = matches!(char.font_weight(), Some(Weight700Bold | Weight800 | Weight900 | Custom(600..)));
    // Many fonts have no weight, but their name contains it.
    let in_name = |word: &&str| char.font_name().to_lowercase().contains(word);
    heavy || ["bold", "black", "heavy", "negrita"].iter().any(in_name)
}
