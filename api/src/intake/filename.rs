//! Names of files as clients send them.

use percent_encoding::percent_decode_str;

const MAX_CHARS: usize = 255;

/// A plain name: no folders, no control characters, not too long, the extension kept. `None` when nothing is left.
pub fn tidy(raw: &str) -> Option<String> {
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

/// Invisible marks that turn the reading direction: `fdp.exe` can be made to look like `exe.pdf`.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The `filename*` of a Content-Disposition (RFC 5987), which some clients send for names outside ASCII.
pub fn extended(disposition: &str) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_folders_and_control_characters() {
        assert_eq!(tidy("../../etc/pla\u{0}no.pdf").as_deref(), Some("plano.pdf"));
        assert_eq!(tidy(r"C:\Obra\Acta día 3.docx").as_deref(), Some("Acta día 3.docx"));
        assert_eq!(tidy("plano\u{202E}fdp.exe").as_deref(), Some("planofdp.exe"));
        for nothing in ["", "  ", "..", "a/", "\u{7}"] {
            assert_eq!(tidy(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = tidy(&format!("{}.pdf", "ñ".repeat(300))).unwrap();
        assert_eq!(name.chars().count(), 255);
        assert!(name.ends_with("ñ.pdf"));
    }

    #[test]
    fn names_outside_ascii() {
        assert_eq!(
            extended("form-data; name=\"file\"; filename*=utf-8''Acta%20d%C3%ADa.pdf").as_deref(),
            Some("Acta día.pdf")
        );
        assert_eq!(extended("form-data; filename*=iso-8859-1'es'd%EDa.pdf").as_deref(), Some("día.pdf"));
        assert_eq!(extended("form-data; name=\"file\"; filename=\"a.pdf\""), None);
    }
}
