//! Decodes bytes of any character set to text.

use std::io::{BufRead, BufReader};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;

/// The number of bytes that decide whether a file is text.
const SAMPLE_BYTES: usize = 64 * 1024;

/// Decodes by the byte-order mark, as UTF-8 if it is valid except for a few bytes, or else by statistics of the bytes
/// (mostly Windows-1252).
pub fn decode(bytes: &[u8]) -> String {
    // A byte-order mark overrides the encoding that is named here.
    utf16(bytes).unwrap_or_else(|| guess(bytes)).decode(bytes).0.into_owned()
}

pub fn is_text(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    if utf16(sample).is_some() {
        return true;
    }
    let odd = sample
        .iter()
        .filter(|b| b.is_ascii_control() && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
        .count();
    !sample.contains(&0) && odd * 50 <= sample.len()
}

/// Returns the variant of UTF-16 in which the bytes are, if any. PowerShell's `>` writes UTF-16.
pub fn utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    match Encoding::for_bom(bytes) {
        Some((encoding, _)) => (encoding != UTF_8).then_some(encoding),
        None => utf16_without_mark(bytes),
    }
}

/// Converts a stream of UTF-16 to UTF-8. Any other stream is returned as it is, but without a byte-order
/// mark.
pub(super) fn utf8(mut reader: impl BufRead) -> impl BufRead {
    // An I/O error is ignored here, because it occurs again when the returned stream is read.
    let encoding = reader.fill_buf().ok().and_then(utf16);
    let mut decoder = DecodeReaderBytesBuilder::new();
    BufReader::new(decoder.encoding(encoding).utf8_passthru(true).strip_bom(true).build(reader))
}

/// In Latin text as UTF-16, half of the bytes are zero, all of them at even or all at odd positions.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    if sample.len() < 4 {
        return None;
    }
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let many = sample.len() * 2 / 5;
    // Among the bytes of the other half, a zero would belong to a NUL or to a rare character such as U+0100.
    match (even, odd) {
        (0, odd) if odd >= many => Some(UTF_16LE),
        (even, 0) if even >= many => Some(UTF_16BE),
        _ => None,
    }
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let (mut letters, mut errors) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        letters += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        errors += usize::from(!chunk.invalid().is_empty());
    }
    // Text in another encoding is almost never valid UTF-8, so a few wrong bytes are damage.
    if letters >= errors * 10 {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Allow)
}

#[cfg(test)]
mod tests;
