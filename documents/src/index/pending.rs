//! The words of documents that are not merged yet: one row for each document, or for each slice of a long one.
//!
//! The format is numbers and bytes: the number of passages; for each passage, its distance to the previous one and its
//! length; for each term, in order, its bytes and the passages that contain it, with the number of occurrences.

use std::collections::BTreeMap;

use super::block::{Numbers, Posting, push};
use crate::scope::ProjectTx;

/// A term of a passage, and how often it occurs there.
pub type Word = (String, u32);

/// Consecutive passages of a document, given with their keys in ascending order.
pub struct New<'a> {
    pub document_key: i64,
    /// The ordinal of the first passage.
    pub first: i32,
    pub passages: Vec<(i64, &'a [Word])>,
}

/// Stores the words of passages: a row for each item.
pub async fn insert(tx: &mut ProjectTx, new: &[New<'_>]) -> sqlx::Result<()> {
    let count = |new: &New<'_>| i32::try_from(new.passages.len()).unwrap_or(i32::MAX);
    sqlx::query(
        "INSERT INTO posting_pending (project_key, document_key, first, passages, data)
         SELECT $1, * FROM unnest($2::bigint[], $3::int[], $4::int[], $5::bytea[])",
    )
    .bind(tx.project)
    .bind(new.iter().map(|new| new.document_key).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.first).collect::<Vec<_>>())
    .bind(new.iter().map(count).collect::<Vec<_>>())
    .bind(new.iter().map(|new| encode(&new.passages)).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub fn encode(passages: &[(i64, &[Word])]) -> Vec<u8> {
    let (mut bytes, mut before) = (Vec::new(), 0);
    let mut terms: BTreeMap<&str, Vec<(usize, u32)>> = BTreeMap::new();
    push(&mut bytes, passages.len() as u64);
    for (at, (chunk, words)) in passages.iter().enumerate() {
        push(&mut bytes, chunk.wrapping_sub(before).cast_unsigned());
        push(&mut bytes, words.iter().map(|(_, frequency)| u64::from(*frequency)).sum());
        before = *chunk;
        for (term, frequency) in *words {
            terms.entry(term).or_default().push((at, *frequency));
        }
    }
    for (term, found) in terms {
        push(&mut bytes, term.len() as u64);
        bytes.extend(term.as_bytes());
        push(&mut bytes, found.len() as u64);
        for (at, frequency) in found {
            push(&mut bytes, at as u64);
            push(&mut bytes, frequency.into());
        }
    }
    bytes
}

/// Calls `each` with every term that is `wanted` and its postings. The terms come in ascending order. A damaged row is read
/// up to the damage.
pub fn decode<'a>(
    data: &'a [u8],
    mut wanted: impl FnMut(&[u8]) -> bool,
    mut each: impl FnMut(&'a str, Posting),
) {
    let mut numbers = Numbers(data);
    let mut before = 0_i64;
    let count: usize = numbers.small().unwrap_or_default();
    let passages: Vec<(i64, u32)> = (0..count)
        .map_while(|_| {
            before = before.wrapping_add(numbers.next()?.cast_signed());
            Some((before, numbers.small()?))
        })
        .collect();
    while decode_term(&mut numbers, &passages, &mut wanted, &mut each).is_some() {}
}

/// Returns `None` at the end, and at the damage.
fn decode_term<'a>(
    numbers: &mut Numbers<'a>,
    passages: &[(i64, u32)],
    wanted: &mut impl FnMut(&[u8]) -> bool,
    each: &mut impl FnMut(&'a str, Posting),
) -> Option<()> {
    let length = numbers.small()?;
    let term = numbers.bytes(length)?;
    let term = if wanted(term) { Some(std::str::from_utf8(term).ok()?) } else { None };
    for _ in 0..numbers.small::<usize>()? {
        let (at, frequency): (usize, u32) = (numbers.small()?, numbers.small()?);
        let (chunk, length) = *passages.get(at)?;
        if let Some(term) = term {
            each(term, Posting { chunk, frequency, length });
        }
    }
    Some(())
}
