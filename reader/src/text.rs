//! Plain text: finds paragraphs, headings and lists.

use super::{BlockKind, Error, Extracted, ExtractedMetadata, Limits, blocks::Blocks};

/// A line with at least this many characters was probably wrapped at the margin, not ended by the author.
const WRAPPED_CHARS: usize = 45;

/// Maximum number of characters of a heading.
const HEADING_CHARS: usize = 90;

pub fn structure(text: &str, limits: &Limits) -> Result<Extracted, Error> {
    let mut blocks = Blocks::new(limits);
    // Form feeds separate the pages of plain text; one after the last page begins no other.
    let text = text.trim_end();
    let paged = text.contains('\u{c}');
    let mut pages = 0;
    for page in text.split('\u{c}') {
        pages += 1;
        Error::if_over("pages", pages, limits.pages)?;
        paragraphs(page, paged.then_some(pages), &mut blocks)?;
    }
    Ok(blocks
        .finish(ExtractedMetadata { pages: if paged { pages } else { 0 }, ..ExtractedMetadata::default() }))
}

fn paragraphs(text: &str, page: Option<u32>, blocks: &mut Blocks) -> Result<(), Error> {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().chain(std::iter::once("")) {
        if line.trim().is_empty() {
            paragraph(&std::mem::take(&mut lines), page, blocks)?;
        } else {
            lines.push(line.trim());
        }
    }
    Ok(())
}

fn paragraph(lines: &[&str], page: Option<u32>, blocks: &mut Blocks) -> Result<(), Error> {
    if let [only] = lines
        && let Some(level) = heading_level(only)
    {
        return blocks.push(BlockKind::Heading(level), only, page);
    }
    let mut kind = BlockKind::Paragraph;
    let mut gathered = String::new();
    let mut previous = "";
    for line in lines {
        if is_list_item(line) {
            blocks.push(kind, &std::mem::take(&mut gathered), page)?;
            kind = BlockKind::ListItem;
        } else if !gathered.is_empty() {
            if !was_wrapped(previous, line) {
                gathered.push('\n');
            } else if !unhyphenate(&mut gathered, line) {
                gathered.push(' ');
            }
        }
        gathered.push_str(line);
        previous = line;
    }
    blocks.push(kind, &gathered, page)
}

/// Whether `next` continues the paragraph of `line`.
fn was_wrapped(line: &str, next: &str) -> bool {
    let ends = line.ends_with(['.', ':', ';', '!', '?']);
    let continues = next.starts_with(|c: char| c.is_lowercase());
    continues || (!ends && !is_labelled(next) && line.chars().nth(WRAPPED_CHARS).is_some())
}

/// Whether a line is a field of a form ("Para: Lorena Pizarro", "Fecha de emisión: …"), which begins a new line.
fn is_labelled(line: &str) -> bool {
    const LABEL_CHARS: usize = 25;
    line.split_once(": ").is_some_and(|(label, _)| {
        label.chars().nth(LABEL_CHARS).is_none()
            && label.starts_with(char::is_uppercase)
            && label.chars().all(|c| c.is_alphanumeric() || c == ' ')
    })
}

/// Removes the hyphen of a word that a line break divided; the hyphen stays if the next line does not begin in lower
/// case. Returns whether the next line follows without a space.
pub fn unhyphenate(text: &mut String, next: &str) -> bool {
    let Some(stem) = text.strip_suffix(['-', '\u{2010}', '\u{ad}']) else { return false };
    let divided = stem.ends_with(|c: char| c.is_lowercase()) && next.starts_with(|c: char| c.is_lowercase());
    // "RFI-" before "0042": the hyphen stays, and no space is added.
    let joins = stem.ends_with(char::is_alphanumeric);
    if divided {
        text.truncate(stem.len());
    }
    joins
}

/// Whether a raised text is an exponent that needs a mark: 10^6 is not 106. The exponent of a unit needs none: m2.
pub fn is_power(base: &str, raised: &str) -> bool {
    base.ends_with(|c: char| c.is_ascii_digit())
        && raised.starts_with(|c: char| c.is_ascii_digit() || "+-−–".contains(c))
}

/// Whether a text is nothing but a page number: "3", "3/20", "- 3 -", "3 de 20" or "3 P á g i n a"; or the words of one.
pub fn is_page_number(text: &str) -> bool {
    let words = text.split(|c: char| c.is_whitespace() || c == '/').map(|word| word.trim_matches(separates));
    let (figures, others): (Vec<&str>, Vec<&str>) = words
        .filter(|word| !word.is_empty())
        .partition(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let others = others.concat().to_lowercase();
    let others = others.strip_suffix("de").or_else(|| others.strip_suffix("of")).unwrap_or(&others);
    figures.len() <= 2 && (others.is_empty() || is_page_word(others))
}

/// Whether a word in lower case stands before page numbers.
pub fn is_page_word(word: &str) -> bool {
    matches!(word, "pág" | "pag" | "página" | "pagina" | "page" | "hoja" | "sheet")
}

/// Whether a character divides words.
pub fn separates(c: char) -> bool {
    !c.is_alphanumeric()
}

/// Whether a line begins with a list marker ("-", "•", "a)", "1." or "1.2)") and a space.
pub fn is_list_item(line: &str) -> bool {
    let Some((marker, rest)) = line.split_once([' ', '\t']) else { return false };
    if rest.trim().is_empty() {
        return false;
    }
    if matches!(marker, "-" | "–" | "—" | "*" | "•" | "·" | "▪" | "○" | "●" | "◦" | "‣" | "+" | "\u{f0b7}")
    {
        return true;
    }
    let Some(body) = marker.strip_suffix([')', '.']) else { return false };
    let body = body.trim_start_matches('(');
    let number = body.split('.').all(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()));
    let letter = marker.ends_with(')') && body.len() == 1 && body.bytes().all(|b| b.is_ascii_alphabetic());
    number || letter
}

/// Returns the level of a heading: a line that stands alone and is numbered or in capitals.
fn heading_level(line: &str) -> Option<u8> {
    if line.chars().nth(HEADING_CHARS).is_some() || line.ends_with(['.', ',', ';', ':']) {
        return None;
    }
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    let capitals = letters >= 4 && !line.chars().any(char::is_lowercase);
    numbered_level(line).or(capitals.then_some(1))
}

/// Returns the level of a numbered heading: "3 Alcance" has level 1, "3.2 Alcance" level 2.
pub fn numbered_level(line: &str) -> Option<u8> {
    let (number, title) = line.split_once([' ', '\t'])?;
    let number = number.trim_end_matches(['.', ')']);
    let groups: Vec<&str> = number.split('.').collect();
    let is_number =
        groups.iter().all(|n| (1..=2).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()));
    let is_title = title.trim_start().starts_with(char::is_uppercase);
    (is_number && is_title).then(|| u8::try_from(groups.len().min(6)).unwrap_or(6))
}

#[cfg(test)]
mod tests;
