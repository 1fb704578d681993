//! Characters that Word stores as a place in the font Symbol or Wingdings.

/// Returns the character of a symbol; `code` is hexadecimal. None if there is no character for it.
pub fn character(font: &str, code: &str) -> Option<char> {
    let code = u32::from_str_radix(code, 16).ok()?;
    // Places in these fonts are usually, but not always, written in the private-use area.
    let place = if (0xF000..=0xF0FF).contains(&code) { code - 0xF000 } else { code };
    match (font.to_lowercase().as_str(), u8::try_from(place)) {
        ("symbol", Ok(place)) => symbol(place),
        ("wingdings", Ok(place)) => wingdings(place),
        ("wingdings 2", Ok(place)) => wingdings_2(place),
        _ => char::from_u32(code).filter(|c| !matches!(c, '\u{e000}'..='\u{f8ff}')),
    }
}

fn symbol(place: u8) -> Option<char> {
    // Characters in places that follow each other, beginning at `first`.
    let from = |first: u8, characters: &str| characters.chars().nth(usize::from(place - first));
    Some(match place {
        b'A'..=b'Z' => return from(b'A', "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ"),
        b'a'..=b'z' => return from(b'a', "αβχδεφγηιϕκλμνοπθρστυϖωξψζ"),
        b'-' => '−',
        b' ' | b'!' | b'#' | b'%' | b'&' | b'('..=b',' | b'.'..=b'?' => char::from(place),
        b'[' | b']' | b'_' | b'{' | b'|' | b'}' => char::from(place),
        b'~' => '∼',
        0xA2..=0xA5 => return from(0xA2, "′≤/∞"),
        0xAB..=0xB4 => return from(0xAB, "↔←↑→↓°±″≥×"),
        0xB7..=0xBC => return from(0xB7, "•÷≠≡≈…"),
        0xC6 => '∅',
        0xD0 => '∠',
        0xD6 => '√',
        0xD7 => '·',
        0xDE => '⇒',
        0xE5 => '∑',
        0xF2 => '∫',
        _ => return None,
    })
}

fn wingdings(place: u8) -> Option<char> {
    Some(match place {
        0x6C => '●',
        0x6E | 0xA7 => '■',
        0x6F | 0x71 | 0x72 | 0xA8 => '☐',
        0x78 | 0xFD => '☒',
        0xD8 => '➢',
        0xDF => '←',
        0xE0 | 0xE8 => '→',
        0xE1 => '↑',
        0xE2 => '↓',
        0xFB => '✗',
        0xFC => '✓',
        0xFE => '☑',
        _ => return None,
    })
}

fn wingdings_2(place: u8) -> Option<char> {
    Some(match place {
        0x4F => '✗',
        0x50 => '✓',
        0x51 | 0x53 | 0x54 => '☒',
        0x52 => '☑',
        0xA3 => '☐',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_become_characters() {
        for (font, code, expected) in [
            ("Symbol", "F0B3", Some('≥')),
            ("symbol", "00A3", Some('≤')),
            ("Symbol", "F06D", Some('μ')),
            ("Symbol", "F057", Some('Ω')),
            ("Symbol", "F044", Some('Δ')),
            ("Symbol", "F031", Some('1')),
            ("Symbol", "F05A", Some('Ζ')),
            ("Symbol", "F07A", Some('ζ')),
            ("Wingdings", "F0FC", Some('✓')),
            ("Wingdings", "F0A8", Some('☐')),
            ("Wingdings 2", "F052", Some('☑')),
            ("MS Gothic", "2612", Some('☒')),
            ("Symbol", "2264", Some('≤')),
            ("Wingdings", "F028", None),
            ("Webdings", "F061", None),
            ("Symbol", "D800", None),
            ("Symbol", "", None),
            ("Symbol", "FFFFFFFFFF", None),
        ] {
            assert_eq!(character(font, code), expected, "{font} {code}");
        }
    }
}
