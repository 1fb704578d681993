//! Removes headers and footers that are repeated on every page.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use super::{Line, Page};
use crate::text::{is_page_number, is_page_word, separates};

/// Headers and footers are in this share of the page's height, at the top and at the bottom.
const MARGIN: f32 = 0.12;

/// Minimum number of pages of a document for which repeated lines are removed.
const MIN_PAGES: usize = 3;

/// Removes lines that are in the margins of most pages, even if their page number differs ("Página 3 de 20"). The first
/// page with such a line keeps it, because it may be the only place that names the document.
pub(super) fn drop_repeated(pages: &mut [Page]) {
    if pages.len() < MIN_PAGES {
        return;
    }
    let numbering = Numbering::of(pages);
    let mut seen = counted(pages, |page, line| key(page, line, numbering));
    // Left and right pages may have different headers, so a line on 40 % of the pages is enough.
    let enough = MIN_PAGES.max(pages.len() * 2 / 5);
    seen.retain(|_, count| *count >= enough);
    for page in pages {
        let mut lines = std::mem::take(&mut page.lines);
        // Taking the count leaves zero, so that only the first page keeps the line.
        lines.retain(|line| {
            let count = key(page, line, numbering).and_then(|key| seen.get_mut(&key));
            count.is_none_or(|count| std::mem::take(count) > 0)
        });
        page.lines = lines;
    }
}

/// Returns on how many pages each item is found.
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

/// The printed page numbers. Any other figure in a margin distinguishes pages, such as the number of a drawing.
#[derive(Debug, Clone, Copy)]
struct Numbering {
    pages: i64,
    /// Printed number minus position in the file: a cover may have no number.
    offset: i64,
}

impl Numbering {
    /// Takes the offset that the figures in the margins of most pages show.
    fn of(pages: &[Page]) -> Self {
        let count = i64::try_from(pages.len()).unwrap_or(i64::MAX);
        let offsets = counted(pages, |page, line| {
            let cells = if height(page, line).is_some() { &line.cells[..] } else { &[] };
            let figures = cells.iter().flat_map(|cell| pieces(cell)).filter_map(|(_, figure)| figure);
            let offsets = figures.map(|figure| figure - i64::from(page.number));
            offsets.filter(|offset| offset.abs() < count).collect::<Vec<_>>()
        });
        let shown = offsets.into_iter().filter(|(_, shown)| *shown >= MIN_PAGES);
        let most = shown.max_by_key(|(offset, shown)| (*shown, Reverse(offset.abs()), *offset));
        Self { pages: count, offset: most.map_or(0, |(offset, _)| offset) }
    }

    /// Whether a figure is the number of this page or the number of pages.
    fn is_of(self, page: &Page, figure: i64) -> bool {
        [i64::from(page.number) + self.offset, self.pages + self.offset, self.pages].contains(&figure)
    }
}

/// Splits the text of a cell into pieces without white space, each with its number if it may be a page number.
fn pieces(cell: &str) -> impl Iterator<Item = (&str, Option<i64>)> {
    // A bar or dot divides a page number from a title: "Torre Norte | 3".
    cell.split_inclusive(['|', '·']).flat_map(pieces_of)
}

/// In a part of a cell, a figure may be a page number if the part has nothing else, or after a word such as "Pág.".
/// Other figures belong to a title, as in "PLANTA PISO 2".
fn pieces_of(part: &str) -> impl Iterator<Item = (&str, Option<i64>)> {
    let alone = is_page_number(part);
    let mut may_follow = alone;
    part.split_whitespace().flat_map(|word| word.split_inclusive(separates)).map(move |piece| {
        let word = piece.trim_end_matches(separates).to_lowercase();
        let figure = word.parse::<i64>().ok().filter(|_| may_follow);
        may_follow = alone
            || figure.is_some()
            || is_page_word(&word)
            || (may_follow && matches!(word.as_str(), "" | "de" | "of" | "n" | "nº"));
        (piece, figure)
    })
}

/// Two lines are the same if they have the same text, without the page number, and the same height on the page.
fn key(page: &Page, line: &Line, numbering: Numbering) -> Option<(String, i32)> {
    let height = height(page, line)?;
    let text = line.cells.iter().flat_map(|cell| pieces(cell)).map(|(piece, figure)| match figure {
        Some(figure) if numbering.is_of(page, figure) => "#",
        _ => piece,
    });
    Some((text.collect(), height))
}

/// Returns the height of a line in a margin, rounded to 6 points; None outside the margins.
fn height(page: &Page, line: &Line) -> Option<i32> {
    const SAME_HEIGHT: f32 = 6.0;
    let middle = f32::midpoint(line.bottom, line.top);
    let in_margin = middle < page.height * MARGIN || middle > page.height * (1.0 - MARGIN);
    in_margin.then(|| (middle / SAME_HEIGHT).round() as i32)
}

#[cfg(test)]
mod tests;
