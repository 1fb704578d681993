//! Damaged files for tests; every run makes the same mutations.

use std::io::Cursor;

use super::{Error, Extracted, Limits, zip::tests::pack};

type Read = fn(&[u8], &Limits) -> Result<Extracted, Error>;

/// Reads one of the project's sample documents.
pub fn sample(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../samples/files/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Reads `count` mutations of a file. No mutation may cause a panic or more text than allowed.
pub fn survives(read: Read, bytes: &[u8], count: u64) {
    read_all(read, bytes, (0..count).map(|seed| mutate(bytes, seed)));
}

/// As [`survives`], but mutates the parts inside a zip container: a mutation of the container itself rarely
/// reaches its parts.
pub fn survives_inside(read: Read, bytes: &[u8], count: u64) {
    let parts = unpack(bytes);
    let mutated = |seed: u64| {
        let mut mutated = parts.clone();
        let part = (seed.wrapping_mul(0x9E37_79B9) % mutated.len() as u64) as usize;
        mutated[part].1 = mutate(&mutated[part].1, seed);
        let borrowed: Vec<(&str, &[u8])> =
            mutated.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        pack(&borrowed)
    };
    read_all(read, bytes, (0..count).map(mutated));
}

/// Reads random bytes, with and without the first bytes of the format, and the file truncated at many positions.
pub fn survives_garbage(read: Read, bytes: &[u8]) {
    let garbage = |seed: u64| {
        let mut random = Random(seed);
        let garbage: Vec<u8> = (0..random.below(4096)).map(|_| random.below(256) as u8).collect();
        let begun = [&bytes[..bytes.len().min(64)], &garbage].concat();
        [garbage, begun, bytes[..bytes.len() * seed as usize / 50].to_vec()]
    };
    read_all(read, bytes, (0..50).flat_map(garbage));
}

/// Reads files that were made from `original`. If all were read as the original is, nothing would be tested.
fn read_all(read: Read, original: &[u8], files: impl Iterator<Item = Vec<u8>>) {
    let limits = Limits {
        text_bytes: 1024 * 1024,
        unpacked_bytes: 16 * 1024 * 1024,
        cells: 100_000,
        ..Limits::default()
    };
    let expected = read(original, &limits);
    let mut different = 0;
    for file in files {
        let outcome = read(&file, &limits);
        if let Ok(extracted) = &outcome {
            let bytes: usize = extracted.blocks.iter().map(|block| block.text.len()).sum();
            assert!(bytes <= limits.text_bytes);
        }
        different += usize::from(outcome != expected);
    }
    assert!(different > 0);
}

fn unpack(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let count = archive.len();
    let read = |index| {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        (file.name().to_owned(), bytes)
    };
    (0..count).map(read).collect()
}

pub fn mutate(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut mutated = bytes.to_vec();
    for _ in 0..=random.below(4) {
        if mutated.is_empty() {
            break;
        }
        let at = random.below(mutated.len());
        let length = random.below(64).min(mutated.len() - at);
        match random.below(6) {
            0 => mutated[at] ^= 1 << random.below(8),
            1 => mutated[at] = random.below(256) as u8,
            2 => mutated.truncate(at),
            3 => mutated[at..at + length].fill([0, 0xFF, b'9', b'<'][random.below(4)]),
            4 => {
                let piece = mutated[at..at + length].to_vec();
                let to = random.below(mutated.len());
                mutated.splice(to..to, piece);
            }
            _ => {
                mutated.drain(at..at + length);
            }
        }
    }
    mutated
}

/// The random number generator SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}
