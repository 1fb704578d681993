//! Keeps replies small enough for NATS, which sends no message above 1 MiB (`max_payload`): whoever asked would wait for
//! a larger reply until the deadline, in vain. Fields of documents are long enough for that, in a long list.

use serde::Serialize;

/// Maximum size of the list in a reply, in bytes; the rest of the message is far below 100 KB.
pub const BUDGET: usize = 900_000;

/// Returns the size of an item of a list in a reply, in bytes.
pub fn size(item: &impl Serialize) -> usize {
    serde_json::to_vec(item).map_or(0, |json| json.len() + 1)
}

/// Returns how many items, from the first on, are within the budget; an item's `part` is what is sent of it.
pub fn count_within<T, P: Serialize>(items: &[T], budget: usize, part: impl Fn(&T) -> &P) -> usize {
    let mut left = budget;
    let fitting = items.iter().map_while(|item| {
        left = left.checked_sub(size(part(item)))?;
        Some(item)
    });
    fitting.count()
}

/// Drops the last items if the list is beyond the budget.
pub fn keep_first<T, P: Serialize>(items: &mut Vec<T>, budget: usize, part: impl Fn(&T) -> &P) {
    let kept = count_within(items, budget, part);
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
        let kept = |budget| count_within(&items, budget, |item| item);
        // Each item has two quotation marks and a comma.
        assert_eq!([0, 5, 6, 10, 11, 23, 24, 28].map(kept), [0, 0, 1, 1, 2, 2, 3, 4]);
        let mut items = items.to_vec();
        keep_first(&mut items, 11, |item| item);
        assert_eq!(items, ["abc", "ñ"]);
    }
}
