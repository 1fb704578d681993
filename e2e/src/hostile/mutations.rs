//! Creates damaged copies of good files.

use super::{ENDINGS, File, archives, is_quick};
use crate::Random;

/// Returns a good file with some mutations. In an archive, usually single parts are mutated and their checksums are
/// correct.
pub(super) fn mutated(good: &[File], random: &mut Random) -> File {
    let file = loop {
        let file = random.pick(good);
        if is_quick(file) || random.percent(5) {
            break file;
        }
    };
    let mut name = format!("{:016x}-{}", random.number(), file.name);
    if random.percent(10) {
        name = format!("{name}.{}", random.pick(&ENDINGS));
    }
    let inside = random.percent(70).then(|| archives::parts(&file.bytes)).flatten();
    let bytes = match inside {
        Some(mut parts) if !parts.is_empty() => {
            for _ in 0..=random.below(3) {
                let part = random.below(parts.len());
                parts[part].1 = damaged(&parts[part].1, good, random);
            }
            archives::pack(&parts)
        }
        _ => damaged(&file.bytes, good, random),
    };
    File { name, bytes }
}

fn damaged(bytes: &[u8], good: &[File], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        let length = random.below(200).min(bytes.len() - at);
        match random.below(9) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.below(256) as u8,
            3 => bytes.truncate(at),
            4 => bytes[at..at + length].fill(*random.pick(&[0, 0xFF, b'9', b'<', b'(', b'{'])),
            5 => drop(bytes.drain(at..at + length)),
            6 => {
                let piece = bytes[at..at + length].repeat(1 + random.below(20));
                bytes.splice(at..at, piece);
            }
            // Insert a piece of another file.
            7 => {
                let other = &random.pick(good).bytes;
                let from = random.below(other.len());
                let piece = &other[from..(from + 4 * length).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => drop(bytes.splice(at..at, random.pick(&WORDS).bytes())),
        }
    }
    bytes
}

/// Texts that often cause errors in parsers.
const WORDS: [&str; 12] = [
    "\u{202e}",
    "\u{feff}",
    "\0",
    "99999999999999999999",
    "-1",
    "1e999999",
    "&#xFFFFFFFF;",
    "]]>",
    "<![CDATA[",
    " 0 R ",
    "endstream endobj ",
    "\\u0000\\ud800",
];
