//! What is refused at the door because it cannot hold text that acorag reads. Everything doubtful goes in: the worker
//! looks at the content.

use schemas::{Problem, ProblemKind};

/// Read whatever media type a client claims: browsers send CSV as Excel and DOCX as ZIP.
const READABLE: [&str; 17] = [
    "pdf", "docx", "txt", "md", "markdown", "html", "htm", "xhtml", "xlsx", "xlsm", "csv", "pptx", "eml",
    "msg", "json", "ndjson", "jsonl",
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

/// The claimed media type, or a guess by the name when the claim says nothing.
pub fn media_type(filename: &str, claimed: Option<&str>) -> String {
    let claimed = claimed.map(|claim| claim.trim().to_ascii_lowercase());
    match claimed {
        Some(claim) if !claim.is_empty() && claim != "application/octet-stream" => claim,
        _ => mime_guess::from_path(filename).first_or_octet_stream().essence_str().to_owned(),
    }
}

pub fn check(filename: &str, media_type: &str) -> Result<(), Problem> {
    let extension =
        filename.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    if READABLE.contains(&extension.as_str()) {
        return Ok(());
    }
    let refused = UNREADABLE.contains(&extension.as_str())
        || UNREADABLE_TYPES.iter().any(|prefix| media_type.starts_with(prefix));
    if !refused {
        return Ok(());
    }
    let what = if extension.is_empty() { media_type.to_owned() } else { format!(".{extension}") };
    Err(Problem::new(
        ProblemKind::UnsupportedMediaType,
        format!(
            "No se puede leer texto de un archivo {what}. Formatos: PDF, DOCX, TXT, Markdown, HTML, XLSX, CSV, PPTX, EML, \
             MSG, JSON, NDJSON."
        ),
        format!(
            "There is no text to read in a {what} file. Formats: PDF, DOCX, TXT, Markdown, HTML, XLSX, CSV, PPTX, EML, MSG, \
             JSON, NDJSON."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_clearly_unreadable_is_refused() {
        for (name, claim) in
            [("plano.pdf", None), ("a.docx", Some("application/zip")), ("acta", None), ("a.dwg", None)]
        {
            assert!(check(name, &media_type(name, claim)).is_ok(), "{name}");
        }
        for (name, claim) in
            [("setup.EXE", None), ("foto.jpg", None), ("foto", Some("image/png")), ("a.zip", None)]
        {
            let problem = check(name, &media_type(name, claim)).unwrap_err();
            assert_eq!(problem.kind, ProblemKind::UnsupportedMediaType, "{name}");
        }
    }

    #[test]
    fn a_claim_that_says_nothing_is_replaced_by_a_guess() {
        assert_eq!(media_type("a.pdf", Some("application/octet-stream")), "application/pdf");
        assert_eq!(media_type("a.pdf", Some("text/plain")), "text/plain");
        assert_eq!(media_type("acta", None), "application/octet-stream");
    }
}
