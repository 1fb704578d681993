//! Keeps replies small enough for NATS, which sends no message above 1 MiB (`max_payload`): whoever asked would wait for
//! a larger reply until the deadline, in vain. Fields of documents are long enough for that, in a long list.

use serde::Serialize;

/// Maximum size of the list in a reply, in bytes; the rest of the message is far below 100 KB.
pub const BUDGET: usize = 900_000;

/// Returns the size of an item of a list in a reply, in bytes.
pub fn size(item: &impl Serialize) -> usize {
    serde_json::to_vec(item).map_or(0, |json| json.len() + 1)
}

/// Drops the last items if the list is beyond the budget; an item's `part` is what is sent of it.
pub fn keep_first<T, P: Serialize>(items: &mut Vec<T>, budget: usize, part: impl Fn(&T) -> &P) {
    let mut left = budget;
    let fitting = items.iter().map_while(|item| {
        left = left.checked_sub(size(part(item)))?;
        Some(item)
    });
    let kept = fitting.count();
    let dropped = items.len() - kept;
    if dropped > 0 {
        tracing::warn!(kept, dropped, "a reply would be too large; its last items are left out");
        items.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_kept_from_the_first_on() {
        let items = ["abc", "ñ", "0123456789", "z"];
        // Each item has two quotation marks and a comma.
        for (budget, kept) in [(0, 0), (5, 0), (6, 1), (10, 1), (11, 2), (23, 2), (24, 3), (28, 4)] {
            let mut first = items.to_vec();
            keep_first(&mut first, budget, |item| item);
            assert_eq!(first, items[..kept], "{budget}");
        }
    }
}
