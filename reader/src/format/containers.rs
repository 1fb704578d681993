//! Formats that are containers (zip archives and compound files): their content decides.

use std::io::{self, Cursor, Read};

use super::{Format, unreadable};
use crate::{Error, ole};

/// Maximum number of bytes of the list of content types; real lists have a few kilobytes.
const CONTENT_TYPES_BYTES: u64 = 1024 * 1024;

/// Distinguishes DOCX, PPTX and XLSX by the content type of their main part.
pub(super) fn of_zip(bytes: &[u8], claimed: Option<Format>) -> Result<Format, Error> {
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
pub(super) fn of_compound_file(bytes: &[u8], claimed: Option<Format>) -> Result<Format, Error> {
    let unsupported = |what: &str| Err(Error::Unsupported(what.to_owned()));
    let kinds = [
        ("/EncryptedPackage", Err(Error::PasswordProtected)),
        (ole::MESSAGE, Ok(Format::Msg)),
        ("/Workbook", Ok(Format::Xls)),
        ("/Book", Ok(Format::Xls)),
        ("/WordDocument", unsupported("Word document of 97-2003")),
        ("/PowerPoint Document", unsupported("PowerPoint presentation of 97-2003")),
    ];
    ole::find(bytes, kinds).unwrap_or_else(|| Err(unreadable("compound file", claimed)))
}
