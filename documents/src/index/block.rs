//! A block: the postings of one term that one row stores.
//!
//! Numbers are written as variable-length integers. A posting consists of the distance to the previous passage,
//! doubled, plus one if the term occurs more than once; then the number of occurrences, if more than one; then the
//! passage's length.

use integer_encoding::VarInt as _;

/// A passage that contains a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Posting {
    pub chunk: i64,
    pub frequency: u32,
    /// Number of terms in the passage.
    pub length: u32,
}

/// Maximum number of postings in a block.
pub const SIZE: usize = 256;

/// A block in the form in which its row stores it.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    pub first: i64,
    pub last: i64,
    pub passages: i32,
    pub best: Vec<u8>,
    pub data: Vec<u8>,
}

impl Block {
    /// Makes a block of postings in the order of their passages; `None` if there are none.
    pub fn of(postings: &[Posting]) -> Option<Self> {
        let (first, last) = (postings.first()?.chunk, postings.last()?.chunk);
        let mut data = Vec::with_capacity(postings.len() * 4);
        let mut before = first;
        for posting in postings {
            let distance = posting.chunk.wrapping_sub(before).cast_unsigned();
            push(&mut data, (distance << 1) | u64::from(posting.frequency > 1));
            if posting.frequency > 1 {
                push(&mut data, posting.frequency.into());
            }
            push(&mut data, posting.length.into());
            before = posting.chunk;
        }
        let passages = i32::try_from(postings.len()).unwrap_or(i32::MAX);
        Some(Self { first, last, passages, best: best(postings), data })
    }
}

/// Reads a block's postings; `first` is a column of the same row.
pub fn postings(first: i64, data: &[u8]) -> impl Iterator<Item = Posting> + '_ {
    let (mut numbers, mut chunk) = (Numbers(data), first);
    std::iter::from_fn(move || {
        let head = numbers.next()?;
        chunk = chunk.wrapping_add((head >> 1).cast_signed());
        let frequency = if head & 1 == 1 { numbers.small()? } else { 1 };
        Some(Posting { chunk, frequency, length: numbers.small()? })
    })
}

/// Encodes the pairs of frequency and length that can have the highest weight in the block, for any average length: the
/// shortest passage of each frequency, unless a passage with a higher frequency is as short.
fn best(postings: &[Posting]) -> Vec<u8> {
    let mut pairs: Vec<(u32, u32)> =
        postings.iter().map(|posting| (posting.frequency, posting.length)).collect();
    pairs.sort_by_key(|&(frequency, length)| (std::cmp::Reverse(frequency), length));
    let (mut bytes, mut shortest) = (Vec::new(), u32::MAX);
    for (frequency, length) in pairs {
        if length < shortest {
            push(&mut bytes, frequency.into());
            push(&mut bytes, length.into());
            shortest = length;
        }
    }
    bytes
}

pub fn best_pairs(bytes: &[u8]) -> impl Iterator<Item = (u32, u32)> + '_ {
    let mut numbers = Numbers(bytes);
    std::iter::from_fn(move || Some((numbers.small()?, numbers.small()?)))
}

pub fn push(bytes: &mut Vec<u8>, number: u64) {
    let mut buffer = [0; 10];
    let length = number.encode_var(&mut buffer);
    bytes.extend(buffer.iter().take(length));
}

/// Reads numbers that [`push`] wrote.
pub struct Numbers<'a>(pub &'a [u8]);

impl<'a> Numbers<'a> {
    /// Reads a number that must fit into another type, such as `u32`.
    pub fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.next()?).ok()
    }

    pub fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

impl Iterator for Numbers<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        // Most numbers are small, so those of one byte are read without the general decoder.
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Some(u64::from(*byte))
            }
            _ => {
                let (number, length) = u64::decode_var(self.0)?;
                self.0 = self.0.get(length..)?;
                Some(number)
            }
        }
    }
}
