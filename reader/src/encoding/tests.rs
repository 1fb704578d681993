use std::io::Read as _;

use super::*;

const TEXT: &str = "Recubrimiento mínimo del diseño: 35 mm según el pliego";

#[test]
fn every_encoding_gives_the_same_text() {
    let utf16 = |bytes: fn(u16) -> [u8; 2]| TEXT.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let with = |mark: &[u8], bytes: Vec<u8>| [mark.to_vec(), bytes].concat();
    for bytes in [
        TEXT.as_bytes().to_vec(),
        with(&[0xef, 0xbb, 0xbf], TEXT.into()),
        with(&[0xff, 0xfe], utf16(u16::to_le_bytes)),
        with(&[0xfe, 0xff], utf16(u16::to_be_bytes)),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        encoding_rs::WINDOWS_1252.encode(TEXT).0.into_owned(),
    ] {
        assert!(is_text(&bytes));
        assert_eq!(decode(&bytes), TEXT);
        if super::utf16(&bytes).is_some() {
            // Small buffers, which split characters.
            let mut streamed = String::new();
            let pieces = BufReader::with_capacity(5, bytes.as_slice());
            utf8(pieces).read_to_string(&mut streamed).unwrap();
            assert_eq!(streamed, TEXT);
        }
    }
}

#[test]
fn one_wrong_byte_does_not_change_the_encoding() {
    let mut bytes = "Hormigón según diseño: ".repeat(5).into_bytes();
    bytes.push(0xF1);
    let text = decode(&bytes);
    assert!(text.starts_with("Hormigón según diseño: Hormigón") && text.ends_with('\u{FFFD}'), "{text}");
    // With as many wrong bytes as letters, it is another encoding.
    assert_ne!(guess("ca\u{f1}a y ca".as_bytes()), guess(b"ca\xC3\xB1a y ca\xF1a"));
}

#[test]
fn binary_data_is_not_text() {
    assert!(!is_text(b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00"));
    assert!(!is_text(&(0..=255).collect::<Vec<u8>>()));
    assert!(is_text(b""));
}
