//! Unpacks compressed RTF (MS-OXRTFCP).

use super::Error;

/// The text with which the dictionary begins: words that are frequent in RTF.
const FREQUENT: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
    \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\
    \\i\\u\\tab\\tx";
const HEADER: usize = 16;
const SIZE: usize = 4_096;

/// Returns the bytes one by one, because a small file may unpack to a large one.
pub fn unpack(bytes: &[u8]) -> Result<Box<dyn Iterator<Item = u8> + '_>, Error> {
    let content = bytes.get(HEADER..).unwrap_or_default();
    match bytes.get(8..12) {
        Some(b"LZFu") => Ok(Box::new(decode(content))),
        Some(b"MELA") => Ok(Box::new(content.iter().copied())),
        _ => Err(Error::Damaged("the compression of the body is unknown".to_owned())),
    }
}

fn decode(packed: &[u8]) -> impl Iterator<Item = u8> {
    let mut packed = packed.iter();
    let mut dictionary = [b' '; SIZE];
    dictionary[..FREQUENT.len()].copy_from_slice(FREQUENT);
    // Where the next byte is written in the dictionary.
    let mut end = FREQUENT.len();
    // The kinds of the next items, from the lowest bit on: 1 is a reference into the dictionary, 0 is a byte.
    let (mut kinds, mut kinds_left) = (0, 0);
    // The position and the remaining length of the current reference.
    let (mut from, mut left) = (0, 0);
    let next = move || {
        if left == 0 {
            if kinds_left == 0 {
                (kinds, kinds_left) = (*packed.next()?, 8);
            }
            let is_reference = kinds & 1 == 1;
            (kinds, kinds_left) = (kinds >> 1, kinds_left - 1);
            let first = *packed.next()?;
            if is_reference {
                let both = usize::from(first) << 8 | usize::from(*packed.next()?);
                (from, left) = (both >> 4, (both & 0xF) + 2);
                // A reference to the end of the dictionary is the end mark.
                if from == end {
                    return None;
                }
            } else {
                dictionary[end] = first;
                (from, left) = (end, 1);
            }
        }
        let byte = dictionary[from];
        (from, left) = ((from + 1) % SIZE, left - 1);
        dictionary[end] = byte;
        end = (end + 1) % SIZE;
        Some(byte)
    };
    std::iter::from_fn(next).fuse()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Packs bytes without references, except the end mark.
    pub fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut packed = [&[0; 8][..], b"LZFu", &[0; 4]].concat();
        let mut end = FREQUENT.len();
        for group in bytes.chunks(8) {
            packed.push(if group.len() < 8 { 1 << group.len() } else { 0 });
            packed.extend(group);
            end = (end + group.len()) % SIZE;
        }
        if bytes.len().is_multiple_of(8) {
            packed.push(1);
        }
        packed.extend(((end << 4) as u16).to_be_bytes());
        packed
    }

    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        unpack(bytes).unwrap().collect()
    }

    #[test]
    fn the_examples_of_the_specification_are_unpacked() {
        let hello = b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125B2\x0a\xf3 hel\x09\0 bw\x05\xb0ld}\x0a\x80\x0f\xa0";
        assert_eq!(unpacked(hello), b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        // The reference contains its own output.
        let again = b"\x1a\0\0\0\x1c\0\0\0LZFu\xe2\xd4KQA\0\x04 WXYZ\x0dn}\x01\x0e\xb0";
        assert_eq!(unpacked(again), b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}");
        assert_eq!(unpacked(b"\0\0\0\0\0\0\0\0MELA\0\0\0\0{\\rtf1}"), b"{\\rtf1}");
        assert!(unpack(b"\0\0\0\0\0\0\0\0ZIP!\0\0\0\0").is_err() && unpack(b"").is_err());
        assert_eq!(unpacked(&hello[..20]).len(), 12);
        for length in [0, 7, 8, 5_000] {
            let text = "obra ".repeat(1_000).into_bytes();
            assert_eq!(unpacked(&pack(&text[..length])), text[..length]);
        }
    }
}
