//! Headers and footers that every page repeats.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use super::{Line, Page};

/// The share of a page's height, at its top and at its bottom, in which such lines stand.
const MARGIN: f32 = 0.12;

/// Fewer pages do not show whether a line is repeated on purpose.
const MIN_PAGES: usize = 3;

/// Drops lines that stand in the margins of most pages, the page's number aside ("Página 3 de 20"). The first page that
/// has one keeps it: it may be the only place that names the document.
pub(super) fn drop_repeated(pages: &mut [Page]) {
    if pages.len() < MIN_PAGES {
        return;
    }
    let numbering = Numbering::of(pages);
    let mut seen = counted(pages, |page, line| key(page, line, numbering));
    // Left and right pages may differ: a line on a little less than half of them is repeated, too.
    let enough = MIN_PAGES.max(pages.len() * 2 / 5);
    seen.retain(|_, count| *count >= enough);
    for page in pages.iter_mut() {
        let keys: Vec<Option<Key>> = page.lines.iter().map(|line| key(page, line, numbering)).collect();
        let mut keys = keys.into_iter();
        page.lines.retain(|_| match keys.next().flatten().and_then(|key| seen.get_mut(&key)) {
            // Its count, no longer needed, remembers that it was seen.
            Some(count) => std::mem::take(count) > 0,
            None => true,
        });
    }
}

/// On how many pages something is found.
fn counted<T: Ord + Hash, I: IntoIterator<Item = T>>(
    pages: &[Page],
    find: impl Fn(&Page, &Line) -> I,
) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for page in pages {
        let of_page: BTreeSet<T> = page.lines.iter().flat_map(|line| find(page, line)).collect();
        for found in of_page {
            *counts.entry(found).or_default() += 1;
        }
    }
    counts
}

/// How the pages are numbered in print. Any other figure in a margin tells pages apart: the number of a drawing in a
/// binder of them.
#[derive(Debug, Clone, Copy)]
struct Numbering {
    pages: i64,
    /// What is printed less what is counted: a cover may have no number.
    offset: i64,
}

impl Numbering {
    /// With the offset that the margins of most pages show.
    fn of(pages: &[Page]) -> Self {
        let count = i64::try_from(pages.len()).unwrap_or(i64::MAX);
        let offsets = counted(pages, |page, line| {
            let text = if height(page, line).is_some() { line.text() } else { String::new() };
            let offsets = pieces(&text).filter_map(|(_, figure)| Some(figure? - i64::from(page.number)));
            offsets.filter(|offset| offset.abs() < count).collect::<Vec<_>>()
        });
        let shown = offsets.into_iter().filter(|(_, shown)| *shown >= MIN_PAGES);
        let most = shown.max_by_key(|(offset, shown)| (*shown, Reverse(offset.abs()), *offset));
        Self { pages: count, offset: most.map_or(0, |(offset, _)| offset) }
    }

    /// Whether a figure says which page this is, or how many there are.
    fn is_of(self, page: &Page, figure: i64) -> bool {
        [i64::from(page.number) + self.offset, self.pages + self.offset, self.pages].contains(&figure)
    }
}

/// The pieces of a text without its white space, those with their value that may number a page: "3", "3/20", "-3-" and
/// "Pág.3", but not "A-103" nor "A.103".
fn pieces(text: &str) -> impl Iterator<Item = (&str, Option<i64>)> {
    let separates = |c: char| !c.is_alphanumeric();
    text.split_whitespace().flat_map(move |word| {
        let capitals = word.contains(char::is_uppercase) && !word.contains(char::is_lowercase);
        let is_code = capitals || word.trim_matches(separates).contains(['-', '_']);
        word.split_inclusive(separates).map(move |piece| {
            let figure = if is_code { None } else { piece.trim_end_matches(separates).parse().ok() };
            (piece, figure)
        })
    })
}

/// What two pages' lines must share to be the same: the text without the page's number, and the height on the page.
type Key = (String, i32);

fn key(page: &Page, line: &Line, numbering: Numbering) -> Option<Key> {
    let height = height(page, line)?;
    let text = line.text();
    let text = pieces(&text).map(|(piece, figure)| match figure {
        Some(figure) if numbering.is_of(page, figure) => "#",
        _ => piece,
    });
    Some((text.collect(), height))
}

/// How high a line of the margins stands, give or take a little.
fn height(page: &Page, line: &Line) -> Option<i32> {
    const SAME_HEIGHT: f32 = 6.0;
    let middle = f32::midpoint(line.bottom, line.top);
    let in_margin = middle < page.height * MARGIN || middle > page.height * (1.0 - MARGIN);
    in_margin.then(|| (middle / SAME_HEIGHT).round() as i32)
}

#[cfg(test)]
mod tests;
