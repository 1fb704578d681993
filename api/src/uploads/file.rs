//! Names and formats of files as clients send them.

use percent_encoding::percent_decode_str;
use schemas::{Problem, ProblemKind, messages::http};

const MAX_CHARS: usize = 255;

/// Returns the name without folders and control characters, shortened before its extension; `None` if none is left.
pub fn tidy_name(raw: &str) -> Option<String> {
    let base = raw.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = base.chars().filter(|c| !c.is_control() && !is_direction(*c)).collect();
    let name = name.trim();
    if name.trim_matches('.').is_empty() {
        return None;
    }
    let length = name.chars().count();
    if length <= MAX_CHARS {
        return Some(name.to_owned());
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.chars().count() <= 10 => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let kept: String = stem.chars().take(MAX_CHARS - extension.chars().count()).collect();
    Some(kept + &extension)
}

/// Invisible characters that change the reading direction: they can make `fdp.exe` look like `exe.pdf`.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The `filename*` of a Content-Disposition (RFC 5987), which some clients send for names outside ASCII.
pub fn extended_name(disposition: &str) -> Option<String> {
    let value = disposition.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("filename*").then(|| value.trim())
    })?;
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    let decoded = percent_decode_str(encoded);
    if charset.eq_ignore_ascii_case("utf-8") {
        decoded.decode_utf8().ok().map(Into::into)
    } else {
        Some(decoded.map(char::from).collect())
    }
}

/// The `filename` of a Content-Disposition that is not UTF-8.
pub fn quoted_name(disposition: &str) -> Option<String> {
    let (_, rest) = disposition.split_once("filename=\"")?;
    rest.split_once('"').map(|(name, _)| name.to_owned())
}

/// Accepted with any media type: browsers may send a CSV file with that of Excel, and a DOCX file with that of ZIP.
const READABLE: [&str; 18] = [
    "pdf", "docx", "txt", "md", "markdown", "html", "htm", "xhtml", "xlsx", "xlsm", "xls", "csv", "pptx",
    "eml", "msg", "json", "ndjson", "jsonl",
];

const UNREADABLE: [&str; 45] = [
    // Programs.
    "exe", "dll", "msi", "com", "scr", "so", "dylib", "bin", "apk", "dmg", "iso", "jar", "class", "wasm",
    // Images.
    "png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "heic", "ico", "psd", // Archives.
    "zip", "rar", "7z", "tar", "gz", "tgz", "bz2", "xz", "zst", "cab", // Sound and film.
    "mp3", "wav", "ogg", "flac", "mp4", "avi", "mov", "mkv", "webm", "wmv",
];

const UNREADABLE_TYPES: [&str; 14] = [
    "image/",
    "audio/",
    "video/",
    "font/",
    "application/zip",
    "application/gzip",
    "application/x-tar",
    "application/x-7z-compressed",
    "application/x-rar",
    "application/vnd.rar",
    "application/x-msdownload",
    "application/x-executable",
    "application/vnd.microsoft.portable-executable",
    "application/java-archive",
];

/// Returns the claimed media type; guesses from the file name if it is missing or `application/octet-stream`.
pub fn media_type(filename: &str, claimed: Option<&str>) -> String {
    let claimed = claimed.map(|claim| claim.trim().to_ascii_lowercase());
    match claimed {
        Some(claim) if !claim.is_empty() && claim != "application/octet-stream" => claim,
        _ => mime_guess::from_path(filename).first_or_octet_stream().essence_str().to_owned(),
    }
}

/// Refuses a file that cannot contain text. A doubtful file is accepted: the worker checks its content.
pub fn check(filename: &str, media_type: &str) -> Result<(), Problem> {
    let extension =
        filename.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    let refused = UNREADABLE.contains(&extension.as_str())
        || UNREADABLE_TYPES.iter().any(|prefix| media_type.starts_with(prefix));
    if READABLE.contains(&extension.as_str()) || !refused {
        return Ok(());
    }
    let what = if extension.is_empty() { media_type.to_owned() } else { format!(".{extension}") };
    Err(http::unreadable_format(&what).problem(ProblemKind::UnsupportedMediaType))
}

#[cfg(test)]
mod tests;
