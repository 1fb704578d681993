//! Detects the format of a file by its bytes, and by its name where the bytes are not enough.

use std::io::{self, Cursor, Read as _};

use super::{Error, encoding, ole, records::elements::is_json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Pdf,
    Docx,
    Pptx,
    Xlsx,
    /// Excel 97 to 2003.
    Xls,
    Csv,
    Text,
    Markdown,
    Html,
    Eml,
    Msg,
    Json,
    Ndjson,
}

use Format::{Csv, Docx, Eml, Html, Json, Markdown, Msg, Ndjson, Pdf, Pptx, Text, Xls, Xlsx};

/// The formats in the order of the enum: short name, media type, and other file extensions and media types.
const FORMATS: [(Format, &str, &str, &str); 13] = [
    (Pdf, "pdf", "application/pdf", ""),
    (Docx, "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docm dotx"),
    (Pptx, "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptm ppsx"),
    (Xlsx, "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsm xltx"),
    (Xls, "xls", "application/vnd.ms-excel", "xlt"),
    (Csv, "csv", "text/csv", "tsv text/tab-separated-values"),
    (Text, "txt", "text/plain", "text log"),
    (Markdown, "md", "text/markdown", "markdown"),
    (Html, "html", "text/html", "htm xhtml application/xhtml+xml"),
    (Eml, "eml", "message/rfc822", "message/global"),
    (Msg, "msg", "application/vnd.ms-outlook", ""),
    (Json, "json", "application/json", ""),
    (Ndjson, "ndjson", "application/x-ndjson", "jsonl application/jsonl application/jsonlines"),
];

impl Format {
    /// `bytes` must be the whole file, because zip archives have their directory at the end.
    pub fn detect(filename: &str, media_type: &str, bytes: &[u8]) -> Result<Self, Error> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(Error::Empty);
        }
        let ending = filename.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default();
        let claimed = [ending, essence].into_iter().find_map(Self::called);
        // Containers come first: one may hold a PDF near its beginning, where the mark of a PDF is looked for.
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
            return of_zip(bytes, claimed);
        }
        if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
            return of_compound_file(bytes, claimed);
        }
        if Self::is_pdf(bytes) {
            return Ok(Self::Pdf);
        }
        if let Some(name) = foreign(bytes) {
            return Err(Error::Unsupported(name.to_owned()));
        }
        if !encoding::is_text(bytes) {
            return Err(unreadable("binary data", claimed));
        }
        of_text(bytes, claimed)
    }

    /// Whether the first 1,024 bytes contain `%PDF-`, the mark of a PDF.
    pub fn is_pdf(bytes: &[u8]) -> bool {
        bytes[..bytes.len().min(1024)].windows(5).any(|window| window == b"%PDF-")
    }

    /// The short name, which is shown as the file type.
    pub fn file_type(self) -> &'static str {
        FORMATS[self as usize].1
    }

    pub fn media_type(self) -> &'static str {
        FORMATS[self as usize].2
    }

    /// The format with this file extension or media type.
    pub fn called(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        let found = FORMATS.into_iter().find(|(_, file_type, media_type, others)| {
            name == *file_type || name == *media_type || others.split_whitespace().any(|other| other == name)
        });
        found.map(|(format, ..)| format)
    }
}

/// Returns the error for content without a readable format. If its name claims a binary format, the file is damaged.
fn unreadable(content: &str, claimed: Option<Format>) -> Error {
    match claimed {
        Some(binary @ (Pdf | Docx | Pptx | Xlsx | Xls | Msg)) => {
            Error::Damaged(format!("not a {}", binary.file_type()))
        }
        _ => Error::Unsupported(content.to_owned()),
    }
}

/// Maximum number of bytes of the list of content types; real lists have a few kilobytes.
const CONTENT_TYPES_BYTES: u64 = 1024 * 1024;

/// Distinguishes DOCX, PPTX and XLSX by the content type of their main part.
fn of_zip(bytes: &[u8], claimed: Option<Format>) -> Result<Format, Error> {
    let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| Error::Damaged(format!("zip: {error}")))?;
    let part = match archive.by_name("[Content_Types].xml") {
        Ok(part) => part,
        Err(::zip::result::ZipError::FileNotFound) => return Err(unreadable("zip archive", claimed)),
        Err(error) => return Err(Error::Damaged(format!("zip: {error}"))),
    };
    let types = io::read_to_string(part.take(CONTENT_TYPES_BYTES))
        .map_err(|error| Error::Damaged(format!("content types: {error}")))?;
    // The content types of templates and files with macros end with "template.main+xml" and "macroEnabled.main+xml".
    let values = || types.split(['"', '\'']);
    let has = |kind: &str| values().any(|value| value.contains(kind) && value.ends_with("main+xml"));
    if has("wordprocessingml") || has("ms-word.document") || has("ms-word.template") {
        Ok(Format::Docx)
    } else if has("presentationml") || has("ms-powerpoint") {
        Ok(Format::Pptx)
    } else if has("spreadsheetml") || has("ms-excel.sheet") || has("ms-excel.template") {
        Ok(Format::Xlsx)
    } else {
        Err(Error::Unsupported("archive of another kind".to_owned()))
    }
}

/// Compound files are mails of Outlook, encrypted Office documents, and Office formats before 2007.
fn of_compound_file(bytes: &[u8], claimed: Option<Format>) -> Result<Format, Error> {
    let unsupported = |what: &str| Err(Error::Unsupported(what.to_owned()));
    let kinds = [
        ("/EncryptedPackage", Err(Error::PasswordProtected)),
        ("/__properties_version1.0", Ok(Format::Msg)),
        ("/Workbook", Ok(Format::Xls)),
        ("/Book", Ok(Format::Xls)),
        ("/WordDocument", unsupported("Word document of 97-2003")),
        ("/PowerPoint Document", unsupported("PowerPoint presentation of 97-2003")),
    ];
    ole::find(bytes, kinds).unwrap_or_else(|| Err(unreadable("compound file", claimed)))
}

/// The format of a text file: the one that its content shows, or else the claimed one.
fn of_text(bytes: &[u8], claimed: Option<Format>) -> Result<Format, Error> {
    const SAMPLE_BYTES: usize = 16 * 1024;
    let sample = encoding::decode(&bytes[..bytes.len().min(SAMPLE_BYTES)]);
    let start = sample.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if let Some(name) = model(start) {
        return Err(Error::Unsupported(name.to_owned()));
    }
    if is_html(start, claimed) {
        return Ok(Format::Html);
    }
    Ok(match claimed {
        // The sender's claim decides between text formats, but a claim of JSON only if the text begins like JSON.
        Some(format @ (Format::Csv | Format::Markdown | Format::Html | Format::Eml)) => format,
        Some(format @ (Format::Json | Format::Ndjson)) if start.starts_with(['{', '[']) => format,
        _ if is_mail(start) => Format::Eml,
        _ if start.starts_with(['{', '[']) && is_json(bytes) => Format::Json,
        _ => Format::Text,
    })
}

/// Returns the name of a format of models or drawings that consists of lines of text, almost all of them coordinates.
fn model(start: &str) -> Option<&'static str> {
    if start.starts_with("ISO-10303-21;") {
        return Some("STEP model");
    }
    // DXF has pairs of lines, a code and its value. Only comments, whose code is 999, come before the first section.
    let lines: Vec<&str> = start.lines().map(str::trim).collect();
    let first = lines.chunks(2).find(|pair| pair[0] != "999")?;
    (first == ["0", "SECTION"]).then_some("AutoCAD drawing")
}

fn is_html(start: &str, claimed: Option<Format>) -> bool {
    let mut start = start;
    // An XML declaration and comments may come before the HTML document.
    for (opens, closes) in [("<?xml", "?>"), ("<!--", "-->")] {
        if start.starts_with(opens) {
            start = start.split_once(closes).map(|(_, rest)| rest.trim_start()).unwrap_or_default();
        }
    }
    let head: String = start.chars().take(14).collect::<String>().to_lowercase();
    // Many programs export a table of HTML as a workbook.
    let is_export =
        claimed == Some(Xls) && ["<table", "<meta", "<style"].iter().any(|tag| head.starts_with(tag));
    is_export || head.starts_with("<!doctype html") || head.starts_with("<html")
}

/// Whether a text begins with header lines, of which at least three are typical of mails.
fn is_mail(start: &str) -> bool {
    const OWN: &str = "received return-path message-id mime-version delivered-to subject from x-mailer date";
    let mut own = 0;
    for line in start.lines().take_while(|line| !line.is_empty()) {
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { return false };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return false;
        }
        own += usize::from(OWN.split(' ').any(|known| known.eq_ignore_ascii_case(name)));
    }
    own >= 3
}

/// Returns the name of a well-known format that acorag does not read.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 16] = [
        (b"\x89PNG", "PNG image"),
        (b"\xff\xd8\xff", "JPEG image"),
        (b"GIF8", "GIF image"),
        (b"II*\x00", "TIFF image"),
        (b"MM\x00*", "TIFF image"),
        (b"RIFF", "media file"),
        (b"AC10", "AutoCAD drawing"),
        (b"AutoCAD Binary DXF", "AutoCAD drawing"),
        (b"{\\rtf", "RTF document"),
        (b"%!PS", "PostScript document"),
        (b"\x1f\x8b", "gzip archive"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
        (b"Rar!", "RAR archive"),
        (b"BZh", "bzip2 archive"),
        (b"MZ", "program"),
        (b"\x7fELF", "program"),
    ];
    let (signature, name) = SIGNATURES.into_iter().find(|(signature, _)| bytes.starts_with(signature))?;
    // "MZ" and "BZh" may also be the first letters of a text.
    (signature.len() > 3 || !encoding::is_text(bytes)).then_some(name)
}

#[cfg(test)]
mod tests;
