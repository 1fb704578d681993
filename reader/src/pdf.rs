//! PDF, parsed by PDFium.

mod layout;
mod line;
mod notes;
mod running;
mod scan;

use std::path::Path;

use chrono::{DateTime, Utc};
use pdfium_render::prelude::{
    PdfDocument, PdfDocumentMetadataTagType as Tag, PdfFormType, Pdfium, PdfiumError,
    PdfiumInternalError::{PasswordError, SecurityError},
};

use super::{
    Error, Extracted, ExtractedMetadata, Limits,
    blocks::{Blocks, one_line},
    title,
};
use line::{Line, Turn, lines};
use notes::Notes;

/// A page as lines. Positions are in points from the lower left corner of the page as it is shown.
#[derive(Default)]
struct Page {
    number: u32,
    height: f32,
    lines: Vec<Line>,
    /// The values of form fields, and comments.
    notes: Vec<String>,
}

/// Loads PDFium. Must be called before `confine::lock`, after which this process can open no file.
pub(super) fn load(library: &Path) -> Result<Pdfium, Error> {
    Pdfium::bind_to_library(library)
        .map(Pdfium::new)
        .map_err(|error| Error::Unavailable(format!("PDFium at {}: {error}", library.display())))
}

pub(super) fn read(bytes: &[u8], pdfium: &Pdfium, limits: &Limits) -> Result<Extracted, Error> {
    let document = pdfium.load_pdf_from_byte_slice(bytes, None).map_err(|error| match error {
        PdfiumError::PdfiumLibraryInternalError(PasswordError | SecurityError) => Error::PasswordProtected,
        other => Error::Damaged(format!("PDF: {other}")),
    })?;
    if is_cut_short(bytes) {
        return Err(Error::Damaged("its end is missing".to_owned()));
    }
    // The only page of such a form asks to wait for the others, which Adobe's programs make.
    if document.form().is_some_and(|form| form.form_type() == PdfFormType::XfaFull) {
        return Err(Error::DynamicForm);
    }
    let count = u32::try_from(document.pages().len()).unwrap_or_default();
    Error::if_over("pages", count, limits.pages)?;
    let mut pages = pages(&document, count, limits)?;
    if !scan::has_text(&pages) {
        if scan::has_images(&pages, &document) {
            return Err(Error::ScanWithoutText);
        }
        if pages.iter().all(|page| page.notes.is_empty()) {
            return Err(Error::NoText);
        }
    }
    running::drop_repeated(&mut pages);
    if scan::is_scan(&pages, &document) {
        return Err(Error::ScanWithoutText);
    }
    let mut blocks = Blocks::new(limits);
    layout::write(pages, &mut blocks)?;
    Ok(blocks.finish(metadata(&document, count)))
}

/// Whether the file is truncated. PDFium repairs such a file and would return its first part as the whole document.
fn is_cut_short(bytes: &[u8]) -> bool {
    if !bytes.windows(5).any(|window| window == b"%%EOF") {
        return true;
    }
    // A linearized file has an end mark near its beginning too, so a truncated one may have this mark only.
    // But the file states its full length, after `/L` (not after `/Linearized`).
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(2_048)]);
    let Some(at) = head.find("/Linearized") else { return false };
    let dictionary = head[at..].split(">>").next().unwrap_or_default();
    let length = dictionary.split('/').find_map(|entry| entry.strip_prefix('L')?.trim().parse::<u64>().ok());
    length.is_some_and(|length| (bytes.len() as u64) < length)
}

fn pages(document: &PdfDocument, count: u32, limits: &Limits) -> Result<Vec<Page>, Error> {
    let mut pages = Vec::new();
    let mut known = Notes::default();
    let mut bytes = 0;
    for (page, number) in document.pages().iter().zip(1..) {
        let text = page.text().map_err(|error| Error::Damaged(format!("page {number}: {error}")))?;
        let turn = Turn::of(&page);
        let lines = lines(&text, &turn);
        let notes = known.of_page(&page, &turn, &lines);
        let texts = lines.iter().flat_map(|line| &line.cells).chain(&notes);
        bytes += texts.map(String::len).sum::<usize>();
        Error::if_over("bytes of text", bytes, limits.text_bytes)?;
        pages.push(Page { number, height: page.height().value, lines, notes });
    }
    // PDFium's iterator stops at the first page that it cannot load.
    if pages.len() < count as usize || count == 0 {
        return Err(Error::Damaged(format!("page {} of {count} cannot be read", pages.len() + 1)));
    }
    Ok(pages)
}

fn metadata(document: &PdfDocument, pages: u32) -> ExtractedMetadata {
    let tag = |tag| document.metadata().get(tag).map(|tag| one_line(tag.value())).unwrap_or_default();
    let dates = [Tag::ModificationDate, Tag::CreationDate];
    ExtractedMetadata {
        title: title::given(&tag(Tag::Title)),
        author: tag(Tag::Author),
        date: dates.into_iter().find_map(|kind| parse_date(&tag(kind))),
        pages,
        ..Default::default()
    }
}

/// Parses a date such as D:20260301120000+01'00'; everything after the year may be missing.
fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    /// The start of a year, after the four digits of the year.
    const MISSING: &str = "00000101000000";
    let text = text.strip_prefix("D:").unwrap_or(text).replace('\'', "");
    let (stamp, zone) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let missing = MISSING.get(stamp.len()..).filter(|_| stamp.len() >= 4)?;
    // A missing or invalid zone is UTC.
    [zone, "Z"].into_iter().find_map(|zone| {
        let date = DateTime::parse_from_str(&format!("{stamp}{missing}{zone}"), "%Y%m%d%H%M%S%#z").ok()?;
        Some(date.to_utc())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_any_precision_are_read() {
        for (text, expected) in [
            ("D:20260301120000+01'00'", Some("2026-03-01T11:00:00+00:00")),
            ("D:20260301120000-05'30", Some("2026-03-01T17:30:00+00:00")),
            ("D:20260301120000-0530", Some("2026-03-01T17:30:00+00:00")),
            ("D:20260301120000Z", Some("2026-03-01T12:00:00+00:00")),
            ("D:20260301120000+hora", Some("2026-03-01T12:00:00+00:00")),
            ("20260301", Some("2026-03-01T00:00:00+00:00")),
            ("D:2026", Some("2026-01-01T00:00:00+00:00")),
            ("D:20261301", None),
            ("ayer", None),
            ("D:202ñ", None),
        ] {
            assert_eq!(parse_date(text).map(|date| date.to_rfc3339()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_truncated_file_is_recognized() {
        assert!(is_cut_short(b"%PDF-1.4 ..."));
        assert!(!is_cut_short(b"%PDF-1.4 ... %%EOF"));
        assert!(is_cut_short(b"%PDF-1.4 <</Linearized 1/L 5000/O 3>> %%EOF ..."));
        assert!(!is_cut_short(b"%PDF-1.4 <</Linearized 1/L 20/O 3>> %%EOF ..."));
    }
}
